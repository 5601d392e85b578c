-- Catalog queries. Each block is one statement; parameters are psycopg's %(name)s.

-- name: server
-- Identity of the cluster and what the connected role may do.
SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       current_user AS role,
       rolsuper OR rolcreatedb AS createdb,
       rolsuper OR rolcreaterole AS createrole,
       rolsuper AS superuser
  FROM pg_roles WHERE rolname = current_user;

-- name: databases
-- Every database that carries a stamp or has a name the caller asks about, from the shared catalogs alone.
SELECT d.datname, o.rolname, d.datconnlimit, d.datallowconn, s.comment,
       CASE WHEN d.datacl IS NULL THEN ARRAY['PUBLIC']
            ELSE ARRAY(SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE g.rolname::text END
                         FROM aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
                        WHERE a.privilege_type = 'CONNECT' AND a.grantee <> d.datdba
                        ORDER BY 1)
       END
  FROM pg_database d
  JOIN pg_roles o ON o.oid = d.datdba
  LEFT JOIN LATERAL (SELECT shobj_description(d.oid, 'pg_database') AS comment) s ON true
 WHERE s.comment LIKE 'tenantplan %%' OR d.datname = ANY(%(names)s)
 ORDER BY d.datname;

-- name: roles
-- Every role that carries a stamp or has a name the caller asks about.
SELECT r.rolname, r.rolcanlogin, r.rolconnlimit, s.comment,
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
              WHERE m.member = r.oid ORDER BY 1)
  FROM pg_roles r
  LEFT JOIN LATERAL (SELECT shobj_description(r.oid, 'pg_authid') AS comment) s ON true
 WHERE s.comment LIKE 'tenantplan %%' OR r.rolname = ANY(%(names)s)
 ORDER BY r.rolname;

-- name: columns
-- Tables and columns of the main database, so that one behind the newest migration can still be read.
SELECT n.nspname || '.' || c.relname, array_agg(a.attname::text)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname IN ('public', 'tenantplan') AND c.relkind IN ('r', 'p')
 GROUP BY 1;

-- name: lock_holder
-- The session that holds the lock of a fleet.
SELECT a.pid, a.application_name, coalesce(a.client_addr::text, 'local'), a.backend_start
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND ((l.classid::bigint << 32) | l.objid::bigint) = %(key)s;

-- name: sessions_of_runs
-- Sessions that runs of tenantplan opened on this server.
SELECT pid FROM pg_stat_activity WHERE application_name = ANY(%(tags)s) AND pid <> pg_backend_pid();

-- name: terminate
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%(pids)s);

-- name: terminate_sessions
-- Ends everybody's sessions in one database.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = %(database)s AND pid <> pg_backend_pid() AND backend_type = 'client backend';

-- name: terminate_role_sessions
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %(role)s AND pid <> pg_backend_pid();

-- name: user_tables
-- Ordinary tables of a tenant database, and whether each has a column organization_id.
SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id'
                             AND NOT a.attisdropped), c.relforcerowsecurity
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL(%(except)s)
 ORDER BY 1;

-- name: last_applied
-- What the last successful operation on each address left behind.
SELECT DISTINCT ON (address) address, seq, action, retire, after::text
  FROM tenantplan.operations WHERE status IN ('done', 'recovered') ORDER BY address, seq DESC;

-- name: renames_applied
SELECT seq, renamed_from, address FROM tenantplan.operations
 WHERE status IN ('done', 'recovered') AND renamed_from IS NOT NULL ORDER BY seq;
