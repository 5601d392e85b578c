-- Reports. Each block is one statement; parameters are psycopg's %(name)s, a limit of NULL is none. Column names are
-- what JSON and CSV call them: they do not change. Times are text in UTC; a tenant that is deleted, or whose
-- organization is, is in none of them but for its errors.

-- name: active_tenants
SELECT t.name AS tenant, o.slug AS organization, t.display_name, t.contact_email,
       to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
  FROM public.tenants t LEFT JOIN public.organizations o ON o.id = t.organization_id
 WHERE t.active AND t.deleted_at IS NULL
   AND (t.organization_id IS NULL OR o.state = 'active' AND o.deleted_at IS NULL)
 ORDER BY t.name LIMIT %(limit)s;

-- name: licenses_by_status
-- past_expiry: how many of them are beyond their date, whatever their status says.
SELECT s.status::text AS status, count(l.id) AS licenses, count(l.id) FILTER (WHERE l.expires_at < now()) AS past_expiry
  FROM unnest(enum_range(NULL::public.license_status)) AS s(status)
  LEFT JOIN (public.licenses l
             JOIN public.tenants t ON t.id = l.tenant_id AND t.deleted_at IS NULL
                   AND (t.organization_id IS NULL
                        OR t.organization_id IN (SELECT id FROM public.organizations WHERE deleted_at IS NULL))) ON l.status = s.status
 GROUP BY s.status ORDER BY s.status LIMIT %(limit)s;

-- name: licenses_expiring
-- Those past their date that are still ACTIVE come first, with days_left below 0. Of a key its last four characters are enough
-- to tell it by.
SELECT t.name AS tenant, o.slug AS organization, l.name AS license,
       repeat('*', 4) || CASE WHEN length(l.key) >= 12 THEN right(l.key, 4) ELSE '' END AS key, t.contact_email,
       to_char(l.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS expires_at,
       CASE WHEN l.expires_at < now() THEN least(-1, floor(extract(epoch FROM l.expires_at - now()) / 86400))
            ELSE ceil(extract(epoch FROM l.expires_at - now()) / 86400) END::int AS days_left, l.usage_count, l.max_usage_count
  FROM public.licenses l
  JOIN public.tenants t ON t.id = l.tenant_id AND t.deleted_at IS NULL
  LEFT JOIN public.organizations o ON o.id = t.organization_id
 WHERE o.deleted_at IS NULL AND l.status = 'ACTIVE' AND l.expires_at <= now() + make_interval(days => %(days)s)
 ORDER BY l.expires_at, t.name, l.name LIMIT %(limit)s;

-- name: without_database
-- A proposal is a line of YAML: a plan says what stands in its way, such as rows in the shared tables.
SELECT o.slug AS organization, o.display_name, o.state::text AS state,
       (SELECT count(*) FROM public.tenants t WHERE t.organization_id = o.id AND t.deleted_at IS NULL) AS tenants,
       'database: { mode: dedicated }' AS proposal
  FROM public.organizations o
 WHERE o.database_mode = 'shared' AND o.deleted_at IS NULL
 ORDER BY 4 DESC, 1 LIMIT %(limit)s;

-- name: metrics_24h
-- Averages as numeric, where nothing overflows; a latency that is no number (NaN, Infinity) is left out of its average.
SELECT t.name AS tenant, o.slug AS organization, count(*) AS metrics,
       round(avg(m.active_users), 2)::float8 AS avg_active_users,
       round(avg(m.ai_latency::numeric) FILTER (WHERE m.ai_latency > '-Infinity' AND m.ai_latency < 'Infinity'), 2)::float8
           AS avg_ai_latency_ms,
       to_char(max(m.timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last_metric_at
  FROM public.tenant_metrics m
  JOIN public.tenants t ON t.id = m.tenant_id AND t.deleted_at IS NULL
  LEFT JOIN public.organizations o ON o.id = t.organization_id
 WHERE o.deleted_at IS NULL AND m.timestamp > now() - interval '24 hours' AND m.timestamp <= now()
 GROUP BY t.id, o.id ORDER BY t.name LIMIT %(limit)s;

-- name: top_tenants
-- By the metrics they sent in the last 24 hours: active users, then how many metrics; last by what their licenses count as used.
SELECT t.name AS tenant, o.slug AS organization, coalesce(l.used, 0) AS license_usage, m.users AS avg_active_users_24h,
       coalesce(m.sent, 0) AS metrics_24h
  FROM public.tenants t
  LEFT JOIN public.organizations o ON o.id = t.organization_id
  LEFT JOIN (SELECT tenant_id, sum(usage_count)::bigint AS used FROM public.licenses GROUP BY tenant_id) l
    ON l.tenant_id = t.id
  LEFT JOIN (SELECT tenant_id, round(avg(active_users), 2)::float8 AS users, count(*) AS sent FROM public.tenant_metrics
              WHERE timestamp > now() - interval '24 hours' AND timestamp <= now() GROUP BY tenant_id) m
    ON m.tenant_id = t.id
 WHERE t.deleted_at IS NULL AND o.deleted_at IS NULL AND (l.used > 0 OR m.sent > 0)
 ORDER BY m.users DESC NULLS LAST, metrics_24h DESC, license_usage DESC, t.name LIMIT %(limit)s;

-- name: critical_errors
SELECT to_char(e.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, t.name AS tenant,
       o.slug AS organization, e.source::text AS source, e.message, e.endpoint, e.status_code, e.id::text AS id
  FROM public.error_logs e
  LEFT JOIN public.tenants t ON t.id = e.tenant_id
  LEFT JOIN public.organizations o ON o.id = t.organization_id
 WHERE e.level = 'CRITICAL' AND NOT e.resolved
 ORDER BY e.timestamp DESC, e.id LIMIT %(limit)s;

-- name: inactive_tenants
-- Active tenants that sent no metric for an hour. One from the future (a clock that is wrong) does not count.
SELECT t.name AS tenant, o.slug AS organization,
       to_char(m.last AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last_metric_at,
       floor(extract(epoch FROM now() - m.last) / 60)::bigint AS silent_minutes
  FROM public.tenants t
  LEFT JOIN public.organizations o ON o.id = t.organization_id
  LEFT JOIN LATERAL (SELECT x.timestamp AS last FROM public.tenant_metrics x
                      WHERE x.tenant_id = t.id AND x.timestamp <= now() AND x.timestamp > '-infinity'
                      ORDER BY x.timestamp DESC LIMIT 1) m ON true
 WHERE t.active AND t.deleted_at IS NULL AND (t.organization_id IS NULL OR o.state = 'active' AND o.deleted_at IS NULL)
   AND (m.last IS NULL OR m.last <= now() - interval '1 hour')
 ORDER BY m.last NULLS FIRST, t.name LIMIT %(limit)s;

-- name: unused_indexes
-- Indexes of one database that no query used, but for those that uniqueness (a primary key too), an exclusion constraint
-- or a replica's identity needs.
SELECT s.schemaname::text AS schema, s.relname::text AS table, s.indexrelname::text AS index,
       pg_relation_size(s.indexrelid) AS size_bytes,
       to_char(d.stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS counted_since
  FROM pg_stat_user_indexes s
  JOIN pg_index i ON i.indexrelid = s.indexrelid
  JOIN pg_stat_database d ON d.datname = current_database()
 WHERE s.idx_scan = 0 AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident
 ORDER BY 1, 2, 3;

-- name: stale_statistics
-- Tables of one database that the query planner knows little of, or wrong things. reltuples is what it believes (-1: nothing),
-- n_live_tup what the server has counted. Small tables are left out: they are read whole, whatever is known of them.
SELECT schema, "table", concat_ws('; ', never, changed, off, dead) AS why, size_bytes, believed_rows, live_rows,
       changed_rows, dead_rows, to_char(analyzed AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last_analyzed_at
  FROM (SELECT s.schemaname::text AS schema, s.relname::text AS "table", pg_relation_size(s.relid) AS size_bytes,
               nullif(c.reltuples, -1)::bigint AS believed_rows, s.n_live_tup AS live_rows,
               s.n_mod_since_analyze AS changed_rows, s.n_dead_tup AS dead_rows,
               greatest(s.last_analyze, s.last_autoanalyze) AS analyzed,
               CASE WHEN c.reltuples = -1 AND s.n_live_tup > 100 THEN 'never analyzed' END AS never,
               CASE WHEN s.n_mod_since_analyze > 100 + 0.2 * greatest(c.reltuples, 0)
                    THEN 'changed a lot since it was analyzed' END AS changed,
               CASE WHEN c.reltuples >= 0 AND abs(c.reltuples - s.n_live_tup) > 100 + 0.5 * greatest(c.reltuples, s.n_live_tup)
                    THEN 'row count far off' END AS off,
               CASE WHEN s.n_dead_tup > 100 + 0.3 * s.n_live_tup THEN 'many dead rows: maintain --vacuum' END AS dead
          FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid AND c.relkind IN ('r', 'm')) AS found
 WHERE coalesce(never, changed, off, dead) IS NOT NULL
 ORDER BY 1, 2;

-- name: database_sizes
SELECT pg_database_size(current_database()) AS size_bytes,
       coalesce((SELECT sum(n_live_tup) FROM pg_stat_user_tables), 0)::bigint AS live_rows,
       coalesce((SELECT sum(n_dead_tup) FROM pg_stat_user_tables), 0)::bigint AS dead_rows;

-- name: maintained_tables
-- Tables that the connected role made, or the role that migrations run as, with their partitions; and how many are somebody else's.
SELECT n.nspname::text, c.relname::text,
       c.relowner = r.oid OR pg_get_userbyid(c.relowner) = 'tenantplan_owner' AND pg_has_role(c.relowner, 'USAGE')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = current_user
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND NOT c.relispartition
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT starts_with(n.nspname, 'pg_toast')
 ORDER BY 1, 2;
