-- Every object of the current database as (identity, definition), by names and never by oids, so that a database cloned
-- from a template and one migrated step by step give the same rows. Left out: system schemas, the sentinel, what an extension owns,
-- contents, owners and what the role that owns migrated objects needs in schema public, column order, comments. Definitions are or hold the SQL that makes the object: repair/ reads them back.
-- "inherited" is what a partition or child table has from its parent. pg_get_*def and regclass print names relative to search_path: it is pinned by the
-- caller to pg_catalog, and so are the settings that change how constants are printed.
WITH
spaces AS (
    SELECT oid, nspname, nspacl, nspowner FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'tenantplan_sentinel')
),
owned_by_extension AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
relations AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN spaces n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
),
routines AS (
    SELECT p.*, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_proc p JOIN spaces n ON n.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
),
types AS (
    SELECT t.*, format('%I.%I', n.nspname, t.typname) AS name
    FROM pg_type t JOIN spaces n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typtype IN ('e', 'd', 'r', 'c') AND (c.oid IS NULL OR c.relkind = 'c')
      AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
),
-- One row for each access control list: what it is on, its owner, and the list (the default one where none was set).
acls AS (
    SELECT 'schema ' || quote_ident(nspname) AS subject, nspowner AS owner,
           coalesce(nspacl, acldefault('n', nspowner)) AS acl, acldefault('n', nspowner) AS usual FROM spaces
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'view ' ELSE 'table ' END || name, relowner,
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)),
           acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)
    FROM relations WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'column ' || r.name || '.' || quote_ident(a.attname), r.relowner, a.attacl, acldefault('c', r.relowner)
    FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'function ' || name, proowner, coalesce(proacl, acldefault('f', proowner)), acldefault('f', proowner) FROM routines
    UNION ALL
    SELECT 'type ' || name, typowner, coalesce(typacl, acldefault('T', typowner)), acldefault('T', typowner) FROM types
    UNION ALL
    -- The role is named unless it made the tables here: what others make is their own. Only an entry for all schemas
    -- begins with the usual rights, so that only there one that is not given is a difference.
    SELECT format('default privileges %s%s%s', d.defaclobjtype, ' in ' || quote_ident(n.nspname),
                  CASE WHEN d.defaclrole NOT IN (SELECT relowner FROM relations) THEN ' of ' || quote_ident(o.rolname) END),
           d.defaclrole, d.defaclacl,
           CASE WHEN n.oid IS NULL THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END::"char", d.defaclrole) END
    FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace LEFT JOIN pg_roles o ON o.oid = d.defaclrole
),
-- MAINTAIN came with 17: an owner has it there by default, which is no difference worth a name.
privileges AS (
    SELECT subject,
           CASE WHEN g.grantee = 0 THEN 'PUBLIC' WHEN g.grantee = owner THEN 'owner' WHEN r.rolname = 'owner' THEN '"owner"'
                ELSE coalesce(quote_ident(r.rolname), 'a dropped role') END AS grantee,
           string_agg(DISTINCT g.privilege_type || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', ') AS granted
    FROM acls CROSS JOIN LATERAL aclexplode(acl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
    WHERE NOT (g.grantee = owner AND g.privilege_type = 'MAINTAIN')
      AND NOT (g.grantee <> owner AND r.rolname IS NOT DISTINCT FROM 'tenantplan_owner' AND subject = 'schema public')
    GROUP BY 1, 2
),
-- An owner who has everything is not worth a row either; one who gave a privilege up is. So it is with what PUBLIC has
-- by default on what will be made.
usual AS (
    SELECT subject, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE 'owner' END AS grantee,
           string_agg(DISTINCT g.privilege_type, ', ') AS granted
    FROM acls CROSS JOIN LATERAL aclexplode(usual) g
    WHERE (g.grantee = owner OR g.grantee = 0 AND starts_with(subject, 'default privileges '))
      AND g.privilege_type <> 'MAINTAIN' GROUP BY 1, 2
),
-- Primary keys, unique and exclusion constraints: their indexes come and go with them.
keys AS (
    SELECT DISTINCT conindid FROM pg_constraint WHERE contype IN ('p', 'u', 'x')
),
objects (identity, definition) AS (
    SELECT 'schema ' || quote_ident(nspname), '' FROM spaces
    UNION ALL
    SELECT 'extension ' || quote_ident(e.extname), 'in ' || quote_ident(n.nspname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql'
    UNION ALL
    SELECT 'table ' || r.name, concat_ws(' ',
        CASE r.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' END,
        CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
        CASE WHEN r.relrowsecurity THEN 'row level security' END,
        CASE WHEN r.relforcerowsecurity THEN 'forced' END,
        CASE WHEN r.relreplident NOT IN ('d') THEN 'replica identity ' || r.relreplident::text END,
        'with ' || array_to_string(r.reloptions, ','),
        'partition by ' || CASE r.relkind WHEN 'p' THEN pg_get_partkeydef(r.oid) END,
        (SELECT string_agg('inherits ' || i.inhparent::regclass::text, ' ' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = r.oid),
        pg_get_expr(r.relpartbound, r.oid))
    FROM relations r WHERE r.relkind IN ('r', 'p', 'f')
    UNION ALL
    SELECT 'view ' || r.name, concat_ws(' ', CASE r.relkind WHEN 'm' THEN 'materialized' END,
        'with ' || array_to_string(r.reloptions, ','),
        (SELECT format('(%s)', string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum))
         FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped),
        pg_get_viewdef(r.oid))
    FROM relations r WHERE r.relkind IN ('v', 'm')
    UNION ALL
    SELECT CASE r.relkind WHEN 'c' THEN 'attribute ' ELSE 'column ' END || r.name || '.' || quote_ident(a.attname), concat_ws(' ',
        format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE WHEN a.attinhcount > 0 THEN 'inherited' END,
        CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE a.attgenerated WHEN 's' THEN 'generated stored' WHEN 'v' THEN 'generated virtual' END,
        'default ' || pg_get_expr(d.adbin, d.adrelid))
    FROM relations r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'f', 'c')
    UNION ALL
    SELECT 'index ' || r.name, concat_ws(' ', pg_get_indexdef(i.indexrelid),
        CASE WHEN k.conindid IS NOT NULL THEN 'OF CONSTRAINT' END,
        CASE WHEN r.relispartition THEN 'INHERITED' END,
        CASE WHEN i.indisclustered THEN 'CLUSTERED' END, CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END,
        CASE WHEN NOT i.indisvalid OR NOT i.indisready THEN 'INVALID' END)
    FROM relations r JOIN pg_index i ON i.indexrelid = r.oid LEFT JOIN keys k ON k.conindid = r.oid
    UNION ALL
    -- NOT NULL is a constraint of its own since 18, and part of the column for all versions above.
    SELECT 'constraint ' || r.name || '.' || quote_ident(c.conname),
        pg_get_constraintdef(c.oid) || CASE WHEN c.coninhcount > 0 THEN ' INHERITED' ELSE '' END
    FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid WHERE c.contype NOT IN ('n', 't')
    UNION ALL
    SELECT 'constraint ' || t.name || '.' || quote_ident(c.conname), 'DOMAIN ' || pg_get_constraintdef(c.oid)
    FROM types t JOIN pg_constraint c ON c.contypid = t.oid WHERE c.contype <> 'n'
    UNION ALL
    SELECT 'policy ' || r.name || '.' || quote_ident(p.polname), concat_ws(' ',
        CASE WHEN p.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END,
        'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        'TO ' || (SELECT string_agg(coalesce(quote_ident(o.rolname), 'PUBLIC'), ', ' ORDER BY o.rolname)
                  FROM unnest(p.polroles) AS member LEFT JOIN pg_roles o ON o.oid = member),
        'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT 'trigger ' || r.name || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid)
        || CASE WHEN t.tgparentid <> 0 THEN ' INHERITED' ELSE '' END
        || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'A' THEN ' ALWAYS' WHEN 'R' THEN ' REPLICA' ELSE ' DISABLED' END
    FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'event trigger ' || quote_ident(t.evtname), concat_ws(' ', t.evtevent, t.evtfoid::regprocedure::text,
        array_to_string(t.evttags, ','), t.evtenabled::text)
    FROM pg_event_trigger t
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = t.oid)
      AND t.evtname NOT IN ('tenantplan_sentinel', 'tenantplan_sentinel_drop')
    UNION ALL
    SELECT 'rule ' || r.name || '.' || quote_ident(w.rulename), pg_get_ruledef(w.oid) || ' ' || w.ev_enabled::text
    FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
    UNION ALL
    -- Columns are printed in the table's order, which does not count here: by name, expressions after them.
    SELECT 'statistics ' || format('%I.%I', n.nspname, s.stxname), replace(pg_get_statisticsobjdef(s.oid),
        ' ON ' || pg_get_statisticsobjdef_columns(s.oid) || ' FROM ',
        ' ON ' || concat_ws(', ',
            (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C")
             FROM pg_attribute a WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys)),
            (SELECT string_agg(format('(%s)', e.text), ', ' ORDER BY e.nr)
             FROM unnest(pg_get_statisticsobjdef_expressions(s.oid)) WITH ORDINALITY AS e (text, nr))) || ' FROM ')
    FROM pg_statistic_ext s JOIN spaces n ON n.oid = s.stxnamespace
    UNION ALL
    SELECT 'function ' || name, CASE WHEN prokind = 'a'
        THEN concat_ws(' ', 'aggregate', a.aggtransfn::regprocedure::text, a.aggfinalfn::regproc::text, format_type(a.aggtranstype, NULL), a.agginitval)
        ELSE pg_get_functiondef(p.oid) END
    FROM routines p LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
    UNION ALL
    SELECT 'sequence ' || r.name, concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement,
        'min', s.seqmin, 'max', s.seqmax, 'cache', s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END,
        (SELECT format('of %s.%I', d.refobjid::regclass, a.attname)
         FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
    FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid
    UNION ALL
    SELECT 'type ' || t.name, CASE t.typtype
        WHEN 'e' THEN 'enum ' || (SELECT string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid)
        WHEN 'd' THEN concat_ws(' ', 'domain', format_type(t.typbasetype, t.typtypmod),
            CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault)
        WHEN 'r' THEN 'range of ' || (SELECT format_type(g.rngsubtype, NULL) FROM pg_range g WHERE g.rngtypid = t.oid)
        ELSE 'composite' END
    FROM types t
    UNION ALL
    SELECT format('grant %s to %s', p.subject, p.grantee), p.granted
    FROM privileges p LEFT JOIN usual u ON u.subject = p.subject AND u.grantee = p.grantee
    WHERE p.granted IS DISTINCT FROM u.granted
    UNION ALL
    SELECT format('grant %s to %s', u.subject, u.grantee), 'none'
    FROM usual u WHERE NOT EXISTS (SELECT FROM privileges p WHERE p.subject = u.subject AND p.grantee = u.grantee)
)
SELECT identity, coalesce(definition, '') AS definition FROM objects
