-- What doctor --isolation asks the catalogs. Each block is one statement; parameters are psycopg's.

-- name: relations
-- What the current role may read, by its own rights or everybody's, and what rows of an organization are told by.
SELECT n.nspname::text, c.relname::text, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
 ORDER BY 1, 2;

-- name: tenant_tables
-- Tables whose rows should be divided by organization, whether they are or not.
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
  JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p') AND strpos(pg_get_expr(d.adbin, d.adrelid), 'tenantplan.') > 0
   AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1, 2;

-- name: unreadable
-- Relations of the connected database that the current role may not read.
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'))
 ORDER BY 1, 2;

-- name: may_truncate
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND has_table_privilege(c.oid, 'TRUNCATE')
 ORDER BY 1;

-- name: may_become
-- Roles that the session may become by SET ROLE, with those that hold what others must not have.
SELECT r.rolname::text, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole
  FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND r.rolname <> session_user ORDER BY 1;

-- name: databases
-- Databases that the current role may connect to, beside the one it is in.
SELECT d.datname::text, d.datallowconn FROM pg_database d
 WHERE has_database_privilege(d.oid, 'CONNECT') AND d.datname <> current_database() ORDER BY 1;

-- name: closed_databases
-- Databases that are in the making, templates, tombstones and those of locks.
SELECT d.datname::text FROM pg_database d
 WHERE EXISTS (SELECT FROM unnest(%(prefixes)s::text[]) p WHERE starts_with(d.datname, p)) ORDER BY 1;

-- name: open_databases
-- Databases that the current role may connect to, but for templates of others: what is left there is in what they make.
SELECT d.datname::text FROM pg_database d
 WHERE has_database_privilege(d.oid, 'CONNECT') AND d.datallowconn AND NOT d.datistemplate ORDER BY 1;

-- name: large_objects
SELECT oid FROM pg_largeobject_metadata ORDER BY oid DESC LIMIT 20;

-- name: other_statements
-- Statements of other roles' sessions that can be read.
SELECT count(*) FROM pg_stat_activity
 WHERE usename <> session_user AND usename <> current_user AND query NOT IN ('', '<insufficient privilege>');

-- name: statistics
-- Most frequent values and histograms of tables that hold rows of several organizations.
SELECT count(*) FROM pg_stats WHERE tablename = ANY(%(tables)s) AND schemaname = ANY(%(schemas)s);

-- name: leftovers
-- Roles that an interrupted proof left behind.
SELECT rolname::text FROM pg_roles WHERE starts_with(rolname, %(prefix)s) AND shobj_description(oid, 'pg_authid') = %(mark)s
