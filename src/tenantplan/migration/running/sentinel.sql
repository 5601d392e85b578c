-- Marks the database's stamp when somebody else changes its schema, so that a plan looks into it. Never in anybody's way: it
-- waits a tenth of a second for the stamp at most, and whatever fails in it fails nobody. What it misses, drift finds.
CREATE SCHEMA tenantplan_sentinel;
CREATE FUNCTION tenantplan_sentinel.mark() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $mark$
DECLARE
    known text;
BEGIN
    IF current_setting('application_name') LIKE 'tp:%' THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        IF NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary) THEN
            RETURN;
        END IF;
    ELSIF TG_TAG IN ('COMMENT', 'REFRESH MATERIALIZED VIEW', 'REINDEX')
        OR NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp') THEN
        RETURN;
    END IF;
    SELECT shobj_description(oid, 'pg_database') INTO known FROM pg_database WHERE datname = current_database();
    IF starts_with(known, 'tenantplan {') AND strpos(known, '"changed":') = 0 THEN
        EXECUTE format(
            'COMMENT ON DATABASE %I IS %L', current_database(),
            'tenantplan ' || (substr(known, 12)::jsonb
                || jsonb_build_object('changed', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))::text
        );
    END IF;
EXCEPTION WHEN OTHERS THEN
    RETURN;
END
$mark$;
REVOKE ALL ON FUNCTION tenantplan_sentinel.mark() FROM PUBLIC;
CREATE EVENT TRIGGER tenantplan_sentinel ON ddl_command_end EXECUTE FUNCTION tenantplan_sentinel.mark();
CREATE EVENT TRIGGER tenantplan_sentinel_drop ON sql_drop EXECUTE FUNCTION tenantplan_sentinel.mark()
