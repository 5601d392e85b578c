-- Catalog queries. Each block is one statement; parameters are psycopg's %(name)s.

-- name: server
-- Identity of the cluster and what the connected role may do.
SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       current_user AS role,
       rolsuper OR rolcreatedb AS createdb,
       rolsuper OR rolcreaterole AS createrole,
       rolsuper AS superuser,
       clock_timestamp() AS clock
  FROM pg_roles WHERE rolname = current_user;

-- name: databases
-- Every database that carries a stamp or has a name the caller asks about, from the shared catalogs alone. Each catalog is
-- read once, for all of them: a subquery for each row is quadratic where statistics are old. Names are a JSON array.
SELECT d.datname, o.rolname, d.datconnlimit, d.datallowconn, s.description,
       CASE WHEN d.datacl IS NULL THEN ARRAY['PUBLIC'] ELSE coalesce(c.connect, '{}') END
  FROM pg_database d
  JOIN pg_roles o ON o.oid = d.datdba
  LEFT JOIN pg_shdescription s ON s.objoid = d.oid AND s.classoid = 'pg_database'::regclass
  LEFT JOIN (SELECT b.oid, array_agg(CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE g.rolname::text END) AS connect
               FROM pg_database b, aclexplode(b.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
              WHERE a.privilege_type = 'CONNECT' AND a.grantee <> b.datdba
              GROUP BY b.oid) c ON c.oid = d.oid
 WHERE s.description LIKE 'tenantplan %%' OR d.datname::text IN (SELECT value FROM jsonb_array_elements_text(%(names)s))
 ORDER BY d.datname;

-- name: own_stamp
-- The stamp of the connected database.
SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database();

-- name: roles
-- Every role that carries a stamp or has a name the caller asks about. As above, each catalog is read once.
WITH timeouts AS (
  SELECT s.setrole, s.setdatabase, substr(c, 19) AS value
    FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE c LIKE 'statement_timeout=%%')
SELECT r.rolname, r.rolcanlogin, r.rolconnlimit, s.description, coalesce(m.groups, '{}'), coalesce(t.ms, 0), coalesce(o.names, '{}'),
       coalesce(a.sessions, 0)
  FROM pg_roles r
  LEFT JOIN pg_shdescription s ON s.objoid = r.oid AND s.classoid = 'pg_authid'::regclass
  LEFT JOIN (SELECT m.member, array_agg(g.rolname::text) AS groups
               FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid GROUP BY m.member) m ON m.member = r.oid
  -- Whatever unit it was set in, in ms; a value that PostgreSQL would not take is -1.
  LEFT JOIN (SELECT setrole, (CASE WHEN parts IS NULL THEN -1
                                   ELSE ceil(parts[1]::numeric * CASE parts[2] WHEN 'us' THEN 0.001 WHEN 's' THEN 1000
                                             WHEN 'min' THEN 60000 WHEN 'h' THEN 3600000 WHEN 'd' THEN 86400000 ELSE 1 END)
                              END)::bigint AS ms
               FROM timeouts, regexp_match(value, '^([0-9]{1,12}) *(us|ms|s|min|h|d)?$') AS parts
              WHERE setdatabase = 0) t ON t.setrole = r.oid
  LEFT JOIN (SELECT setrole, array_agg(datname::text) AS names
               FROM timeouts JOIN pg_database ON oid = setdatabase GROUP BY setrole) o ON o.setrole = r.oid
  LEFT JOIN (SELECT usesysid, count(*)::int AS sessions FROM pg_stat_activity GROUP BY usesysid) a ON a.usesysid = r.oid
 WHERE s.description LIKE 'tenantplan %%' OR r.rolname::text IN (SELECT value FROM jsonb_array_elements_text(%(names)s))
 ORDER BY r.rolname;

-- name: columns
-- Tables and columns of the main database, so that one behind the newest migration can still be read.
SELECT n.nspname || '.' || c.relname, array_agg(a.attname::text)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p')
 GROUP BY 1;

-- name: lock_holder
-- The session that holds the lock of a fleet, beside the asking one. An earlier version took it in the main database, where any
-- role's session could: there, only one of the connected role counts.
SELECT a.pid, a.application_name, coalesce(a.client_addr::text, 'local'), a.backend_start
  FROM pg_locks l JOIN pg_database d ON d.oid = l.database JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND a.pid <> pg_backend_pid()
   AND (d.datname = %(lock)s OR d.datname = %(main)s AND a.usename = current_user)
   AND ((l.classid::bigint << 32) | l.objid::bigint) = %(key)s
 ORDER BY d.datname = %(lock)s DESC LIMIT 1;

-- name: lock_database
-- Whether the database that a fleet's lock is taken in is open, to its owner and to whoever its owner let in by name.
SELECT d.datallowconn AND d.datacl IS NOT NULL
       AND NOT EXISTS (SELECT FROM aclexplode(d.datacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT')
       AND has_database_privilege(d.oid, 'CONNECT')
  FROM pg_database d WHERE d.datname = %(name)s;

-- name: sessions_of_runs
-- Sessions that runs of tenantplan opened on this server. Anybody may call a session like a run: what is not the role's own is not.
SELECT pid FROM pg_stat_activity
 WHERE application_name = ANY(%(tags)s) AND usename = current_user AND pid <> pg_backend_pid();

-- name: terminate
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%(pids)s);

-- name: await_end
-- Waits up to five seconds for a terminated session to be gone; it may be in the middle of something. (PostgreSQL 14 and later.)
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = %(pid)s;

-- name: terminate_sessions
-- Ends everybody's sessions in one database.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = %(database)s AND pid <> pg_backend_pid() AND backend_type = 'client backend';

-- name: starting_sessions
-- Processes of sessions that are being made: they are in a transaction, and whose they are is not shown yet. (Autovacuum shows its
-- database.)
SELECT DISTINCT l.pid FROM pg_locks l
 WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_backend_pid()
   AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid AND (a.usesysid IS NOT NULL OR a.datid IS NOT NULL));

-- name: end_sessions
-- Sessions that operations want to end, and whether the connected role may; with `end` they are. A session that began before a
-- time may have begun a second later: that was between two clock readings. When it began is shown to members of its role only.
SELECT w.operation_id, a.pid, a.usename::text, a.datname::text, p.permitted,
       CASE WHEN %(end)s AND p.permitted THEN pg_terminate_backend(a.pid) END AS ended
  FROM pg_stat_activity a
  JOIN jsonb_to_recordset(%(wanted)s) AS w(operation_id text, role text, database text, before timestamptz)
    ON (w.role IS NULL OR a.usename = w.role) AND (w.database IS NULL OR a.datname = w.database)
  CROSS JOIN LATERAL (
      SELECT CASE WHEN r.rolsuper THEN (SELECT me.rolsuper FROM pg_roles me WHERE me.rolname = current_user)
                  ELSE pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') END AS permitted
        FROM pg_roles r WHERE r.oid = a.usesysid) p
 WHERE a.pid <> pg_backend_pid() AND (w.before IS NULL OR a.backend_start IS NULL OR a.backend_start < w.before + interval '1 second');

-- name: prepared_transactions
SELECT w.operation_id, array_agg(x.gid ORDER BY x.gid)
  FROM pg_prepared_xacts x JOIN jsonb_to_recordset(%(wanted)s) AS w(operation_id text, role text, database text, before text)
    ON (x.owner = w.role OR x.database = w.database) AND w.before IS NULL
 GROUP BY 1;

-- name: database_connects
-- Who may connect to databases, besides their owners; NULL is PUBLIC.
SELECT d.datname::text, array_agg(g.rolname::text)
  FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
  LEFT JOIN pg_roles g ON g.oid = a.grantee
 WHERE d.datname = ANY(%(names)s) AND a.privilege_type = 'CONNECT' AND a.grantee <> d.datdba
 GROUP BY 1;

-- name: pooled_transactions
-- Open transactions, in the connected database, of roles that name their organization: process, transaction, role.
SELECT DISTINCT a.pid, l.virtualxid, a.usename::text
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  JOIN pg_roles u ON u.oid = a.usesysid AND NOT u.rolsuper AND u.rolname <> current_user
 WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock' AND a.datname = current_database()
   AND EXISTS (SELECT FROM tenantplan.shared_roles s JOIN pg_roles g ON g.rolname = s.role_name
                WHERE s.access = 'pool' AND pg_has_role(u.oid, g.oid, 'MEMBER'));

-- name: blocking_logins
-- Sessions that the sessions of a run wait for, and whether that holds up everybody: whoever's it is, for databases and roles (who
-- waits for a row of their catalog holds a lock on its tuple meanwhile), and bound logins for anything in the main database. Who
-- waits in turn only stands before the run in a queue, and goes on by itself.
SELECT b.pid, a.usename::text,
       shared.waits OR coalesce(bool_or(w.datname = %(database)s AND a.usename = ANY(%(bound)s)), false)
  FROM pg_stat_activity w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b(pid) JOIN pg_stat_activity a ON a.pid = b.pid
       CROSS JOIN LATERAL (SELECT EXISTS (
           SELECT FROM pg_locks l WHERE l.pid = w.pid AND l.database = 0
              AND (l.locktype = 'object' AND NOT l.granted OR l.locktype = 'tuple'))) AS shared(waits)
 WHERE w.application_name = %(tag)s AND w.usename = current_user AND w.wait_event_type = 'Lock'
   AND a.usename <> current_user AND (shared.waits OR a.usename = ANY(%(logins)s))
   AND NOT EXISTS (SELECT FROM pg_locks x WHERE x.pid = b.pid AND NOT x.granted)
 GROUP BY 1, 2, shared.waits;

-- name: terminate_permitted
-- Ends sessions of roles as far as the connected role may; returns which.
SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.pid = ANY(%(pids)s) AND r.rolname = ANY(%(roles)s) AND NOT r.rolsuper
   AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'));

-- name: roles_in_database
-- Roles that have a session in one database. What kind of session it is PostgreSQL hides from other roles.
SELECT DISTINCT usename::text FROM pg_stat_activity
 WHERE datname = %(database)s AND pid <> pg_backend_pid() AND usename IS NOT NULL;

-- name: verifiers
-- What the server keeps of passwords; only for roles that may read pg_authid.
SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = ANY(%(names)s);

-- name: user_tables
-- Ordinary tables of a tenant database, and whether each has a column organization_id.
SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id'
                             AND NOT a.attisdropped), c.relforcerowsecurity
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL(%(except)s)
 ORDER BY 1;

-- name: tables_with_data
-- Ordinary tables of a tenant database, in any schema: not those of extensions, of sessions, nor the version tables in public:
-- these by their names, TypeORM's by its name and its columns.
SELECT n.nspname::text, c.relname::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'
   AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT (n.nspname = 'public' AND c.relname = ANY(%(except)s))
   AND NOT (n.nspname = 'public' AND c.relname = 'migrations' AND c.relnatts = 3
            AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
                    AND (a.attname, a.atttypid) IN (('id', 23), ('timestamp', 20), ('name', 1043))) = 3)
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2;

-- name: last_applied
-- What the last successful operation on each address left behind.
SELECT DISTINCT ON (address) address, seq, action, retire, after::text
  FROM tenantplan.operations WHERE status IN ('done', 'recovered') ORDER BY address, seq DESC;

-- name: last_applied_to
-- The same of a few addresses, each for the time in which a row had it: after the operation `since`, before the one `until`.
SELECT w.asked, o.after::text, o.before::text, to_char(o.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM unnest(%(asked)s::text[], %(names)s::text[], %(since)s::bigint[], %(until)s::bigint[]) w(asked, name, since, until)
 CROSS JOIN LATERAL (
    SELECT seq, after, before, finished_at FROM tenantplan.operations
     WHERE status IN ('done', 'recovered') AND address = w.name AND seq >= w.since AND (w.until IS NULL OR seq < w.until)
     ORDER BY seq DESC LIMIT 1) o
 ORDER BY o.seq;

-- name: renames_applied
SELECT seq, renamed_from, address FROM tenantplan.operations
 WHERE status IN ('done', 'recovered') AND renamed_from IS NOT NULL ORDER BY seq;

-- name: creator
-- Whether the connected role is a superuser, and a role that makes roles for it, has room for more, and that nobody else is or
-- administers (PostgreSQL 16 and newer).
SELECT me.rolsuper, (
    SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
     WHERE m.member = me.oid AND m.set_option AND m.inherit_option
       AND starts_with(r.rolname, %(prefix)s) AND r.rolcreaterole AND NOT r.rolcanlogin AND NOT r.rolsuper
       AND NOT EXISTS (SELECT FROM pg_auth_members o WHERE o.roleid = r.oid AND o.member <> me.oid)
       AND (SELECT count(*) FROM pg_auth_members made WHERE made.member = r.oid) < %(full)s
     ORDER BY 1 LIMIT 1)
  FROM pg_roles me WHERE me.rolname = session_user;

-- name: last_run
SELECT id::text, status, actor, commit, plan_digest,
       to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS started_at,
       to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS finished_at
  FROM tenantplan.runs ORDER BY runs.started_at DESC LIMIT 1;

-- name: role_powers
-- What no role that tenantplan makes may have: powers that pass every other check.
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls
  FROM pg_roles WHERE rolname = ANY(%(names)s) ORDER BY rolname;

-- name: database_grants
-- Rights on databases beyond CONNECT and TEMPORARY that anybody but the owner has.
SELECT d.datname, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE coalesce(g.rolname::text, 'a dropped role') END, a.privilege_type
  FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
 WHERE d.datname = ANY(%(names)s) AND a.grantee <> d.datdba AND a.privilege_type NOT IN ('CONNECT', 'TEMPORARY')
   AND g.rolname IS DISTINCT FROM 'tenantplan_owner'
 ORDER BY 1, 2, 3;

-- name: connection_facts
-- What one session is like, and what its role may do in the connected database.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       current_user AS role,
       pg_backend_pid() AS pid,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls_version,
       (SELECT client_dn IS NOT NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS client_certificate,
       inet_client_addr() IS NULL AS local,
       r.rolsuper OR r.rolcreatedb AS createdb,
       r.rolsuper OR r.rolcreaterole AS createrole,
       r.rolsuper AS superuser,
       has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS reads_authid,
       pg_has_role('pg_signal_backend', 'USAGE') AS signals,
       pg_has_role('pg_read_all_stats', 'USAGE') AS reads_activity,
       coalesce(has_schema_privilege(to_regnamespace('public'), 'CREATE'), false) AS create_in_public,
       pg_has_role(d.datdba, 'USAGE') AS owner
  FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database();

-- name: room
-- How many sessions a server has for roles like ours.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0);

-- name: temporary_databases
-- Templates, and what is on its way to be a database: name, stamp, and whether a session of who makes it is there.
SELECT d.datname, s.comment, EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = 'tp:' || d.datname)
  FROM pg_database d CROSS JOIN LATERAL (SELECT shobj_description(d.oid, 'pg_database') AS comment) s
 WHERE starts_with(d.datname, %(template)s) OR starts_with(d.datname, %(new)s) ORDER BY 1;

-- name: audit_entries
-- Every entry of the audit log in order, the texts exactly as they were hashed; to_char does not tell years before Christ.
SELECT sequence, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
         || CASE WHEN at < '0001-01-01 00:00:00+00' THEN ' BC' ELSE '' END, run_id::text, actor, commit,
       plan_digest, address, action, organization, before::text, after::text, result, detail, previous_hash, hash
  FROM tenantplan.audit_log ORDER BY sequence;

-- name: audit_found
-- The newest entries that fit every condition given; a condition that is NULL fits all.
SELECT sequence, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
         || CASE WHEN at < '0001-01-01 00:00:00+00' THEN ' BC' ELSE '' END, run_id::text, actor, commit,
       plan_digest, address, action, organization, before::text, after::text, result, detail, previous_hash, hash
  FROM tenantplan.audit_log
 WHERE (%(sequence)s::bigint IS NULL OR sequence = %(sequence)s)
   AND (%(organization)s::text IS NULL OR organization IN (%(organization)s, 'organization/' || %(organization)s))
   AND (%(address)s::text IS NULL OR address = %(address)s OR starts_with(address, %(address)s || '/'))
   AND (%(document)s::text IS NULL OR split_part(address, '/', 1) || '/' || split_part(address, '/', 2) = %(document)s)
   AND (%(user)s::text IS NULL OR strpos(lower(actor), lower(%(user)s)) > 0
        OR split_part(address, '/', 1) || '/' || split_part(address, '/', 2) = 'user/' || %(user)s
        OR strpos(address || '/', '/member/' || %(user)s || '/') > 0)
   AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
   AND (%(action)s::text IS NULL OR action = %(action)s)
   AND (%(run)s::text IS NULL OR starts_with(run_id::text, %(run)s))
 ORDER BY sequence DESC LIMIT %(limit)s;

-- name: activity_found
-- The newest events of applications that fit every condition given; names are looked up first, so that their indexes serve.
SELECT a.id::text, CASE WHEN isfinite(a.at) THEN to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
         || CASE WHEN a.at < '0001-01-01 00:00:00+00' THEN ' BC' ELSE '' END ELSE a.at::text END,
       coalesce(u.email, m.email, a.user_id::text), a.action, a.subject,
       coalesce('organization/' || o.slug, a.organization_id::text),
       coalesce('team/' || coalesce(t.declared_as, t.slug), a.team_id::text),
       coalesce('project/' || coalesce(p.declared_as, p.slug), a.project_id::text), a.metadata, a.ip_address
  FROM public.activity_log a
  LEFT JOIN public.users u ON u.id = a.user_id
  LEFT JOIN public.admin_users m ON m.id = a.user_id
  LEFT JOIN public.organizations o ON o.id = a.organization_id
  LEFT JOIN public.teams t ON t.id = a.team_id
  LEFT JOIN public.projects p ON p.id = a.project_id
 WHERE (%(organization)s::text IS NULL OR a.organization_id = ANY (ARRAY(SELECT x.id FROM public.organizations x
          WHERE %(organization)s IN (x.slug, 'organization/' || x.slug, x.id::text))))
   AND (%(address)s::text IS NULL OR a.subject = %(address)s OR starts_with(a.subject, %(address)s || '/'))
   AND (%(document)s::text IS NULL
        OR a.team_id = ANY (ARRAY(SELECT x.id FROM public.teams x WHERE %(document)s = 'team/' || coalesce(x.declared_as, x.slug)))
        OR a.project_id = ANY (ARRAY(SELECT x.id FROM public.projects x
             WHERE %(document)s = 'project/' || coalesce(x.declared_as, x.slug)))
        OR a.subject = %(document)s OR starts_with(a.subject, %(document)s || '/'))
   AND (%(user)s::text IS NULL OR a.subject = 'user/' || %(user)s
        OR a.user_id = CASE WHEN %(user)s ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN %(user)s::uuid END
        OR a.user_id = ANY (ARRAY(SELECT x.id FROM public.users x WHERE strpos(lower(x.email), lower(%(user)s)) > 0
             UNION ALL SELECT x.id FROM public.admin_users x WHERE strpos(lower(x.email), lower(%(user)s)) > 0)))
   AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR a.at < %(until)s)
   AND (%(action)s::text IS NULL OR a.action = %(action)s)
 ORDER BY a.at DESC, a.id LIMIT %(limit)s;

-- name: audit_place
-- Where and when the head of the audit log is looked at.
SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database()::text,
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

-- name: templates
-- The stamps of template databases, which tell what a database at their revision looks like.
SELECT s.comment FROM pg_database d
  CROSS JOIN LATERAL (SELECT shobj_description(d.oid, 'pg_database') AS comment) s
 WHERE starts_with(d.datname, %(template)s) AND starts_with(s.comment, %(stamp)s);

-- name: relations
-- Columns of some tables: type, whether a row needs a value there, the primary key, what is unique alone, and our privileges.
SELECT n.nspname || '.' || c.relname, a.attname::text, format_type(a.atttypid, NULL),
       a.attnotnull AND NOT (a.atthasdef OR a.attidentity <> ''), a.attgenerated <> '' OR a.attidentity = 'a',
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                  AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       a.attnotnull,
       has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
         AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'),
       c.relhasrules, row_security_active(c.oid)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname || '.' || c.relname = ANY(%(tables)s) AND c.relkind IN ('r', 'p')
 ORDER BY c.oid, a.attnum;

-- name: holders
-- Tables and sequences of the connected database that hold something, and whether the current role may read all of it.
SELECT n.nspname::text, c.relname::text, c.relkind::text,
       has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.oid)
         AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND NOT starts_with(n.nspname, 'pg_temp')
 ORDER BY 1, 2;

-- name: left_behind
-- Databases in which roles own something or were granted something, with the catalogs of it; no database: of the whole server.
-- What a role owns of the whole server is a database: it is dropped before, or keeps its role. What a role has prepared is in no catalog yet.
SELECT r.rolname::text, d.datname::text, string_agg(DISTINCT s.classid::regclass::text, ', ')
  FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid LEFT JOIN pg_database d ON d.oid = s.dbid
 WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = ANY(%(roles)s) AND NOT (s.dbid = 0 AND s.deptype = 'o')
 GROUP BY 1, 2
 UNION ALL
SELECT x.owner::text, x.database::text, 'prepared transaction ' || string_agg(x.gid, ', ')
  FROM pg_prepared_xacts x WHERE x.owner = ANY(%(roles)s)
 GROUP BY 1, 2 ORDER BY 1, 2;

-- name: left_behind_here
-- The first things that a role owns or was granted in the connected database, and of the whole server, and how many there are.
SELECT pg_describe_object(s.classid, s.objid, s.objsubid), s.total
  FROM (SELECT s.classid, s.objid, s.objsubid, count(*) OVER () AS total
          FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
         WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = %(role)s AND NOT (s.dbid = 0 AND s.deptype = 'o')
           AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT %(shown)s) s;

-- name: large_object_owners
-- Which of the roles own large objects of the connected database.
SELECT r.rolname::text FROM pg_roles r
 WHERE r.rolname = ANY(%(roles)s) AND EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.lomowner = r.oid);

-- name: unlink_large_objects
SELECT count(lo_unlink(m.oid))
  FROM (SELECT m.oid FROM pg_largeobject_metadata m JOIN pg_roles r ON r.oid = m.lomowner
         WHERE r.rolname = ANY(%(roles)s) LIMIT 1000) m;

-- name: grantors_here
-- Who granted roles rights in the connected database: a role that owns something there, or was given the right to grant.
SELECT DISTINCT g.rolname::text
  FROM (SELECT lomacl FROM pg_largeobject_metadata
        UNION ALL SELECT relacl FROM pg_class UNION ALL SELECT attacl FROM pg_attribute UNION ALL SELECT nspacl FROM pg_namespace
        UNION ALL SELECT proacl FROM pg_proc UNION ALL SELECT typacl FROM pg_type) AS held(acl)
       CROSS JOIN LATERAL aclexplode(held.acl) AS a
       JOIN pg_roles r ON r.oid = a.grantee JOIN pg_roles g ON g.oid = a.grantor
 WHERE r.rolname = ANY(%(roles)s) AND g.rolname <> ALL(%(roles)s) AND g.rolname <> current_user AND NOT g.rolsuper
 ORDER BY 1;

-- name: prepared_here
-- Prepared transactions of the connected database.
SELECT gid, owner::text FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared;

-- name: index_validity
-- Whether an index is valid; no row: there is none of that name. A concurrent build that failed leaves one that is not.
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%(index)s)::oid;

-- name: builds_index
-- Sessions that build an index of the connected database now.
SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database();

-- name: enter
-- The beginning of a transaction in a tenant's database: settings, whether there may be code of others, and then the role that
-- owns what migrations make, where it owns the version table or there is none. What the roles oid 1 to 16383 own (they come with
-- PostgreSQL, and may have members) is in no pg_shdepend. The search_path may be that of the database still: every type is as its
-- operator wants it, so that none of schema public fits better. It is the first thing a new backend runs, which has no catalog at
-- hand yet: each one more that it reads costs as much as a small migration's statement. pg_group holds roles that do not log in. OFFSET keeps
-- the inner query one, whose values are used several times.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true) AS path,
       pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true) AS locks,
       pg_catalog.set_config('statement_timeout', %(statement_timeout)s, true) AS statements,
       EXISTS (SELECT FROM pg_catalog.pg_shdepend s
                WHERE s.dbid = d.oid AND s.deptype = 'o' AND s.refclassid = 'pg_authid'::regclass::oid
                  AND s.classid <> 'pg_largeobject'::regclass::oid AND s.classid <> 'pg_default_acl'::regclass::oid
                  AND s.refobjid <> d.me AND s.refobjid IS DISTINCT FROM d.maker)
         OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid >= 16384::oid AND p.proowner < 16384::oid AND p.proowner <> 10::oid)
         OR d.maker IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_group g WHERE g.grosysid = d.maker
               AND NOT EXISTS (SELECT FROM pg_catalog.unnest(g.grolist) AS members(oid) WHERE members.oid <> d.me)) AS suspected,
       CASE WHEN coalesce((SELECT c.relowner FROM pg_catalog.pg_class c
                            WHERE c.oid = pg_catalog.to_regclass(%(table)s)::oid), d.maker) = d.maker
             AND pg_catalog.pg_has_role(d.me, d.maker, %(set)s)
             AND pg_catalog.has_schema_privilege(d.maker, pg_catalog.to_regnamespace('public')::oid, 'CREATE')
            THEN pg_catalog.set_config('role', 'tenantplan_owner', true) END AS role
  FROM (SELECT (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = pg_catalog.current_database()) AS oid,
               pg_catalog.to_regrole(pg_catalog.quote_ident(session_user::text))::oid AS me,
               pg_catalog.to_regrole('tenantplan_owner')::oid AS maker
        OFFSET 0) d;

-- name: untrusted_code
-- What tenantplan's statements could run, or read as somebody else made it, and who owns it: code anywhere, in schema public tables
-- and types too. Trusted are superusers, the connected role, and the role that owns what migrations make, as long as it does not
-- log in and nobody but administrators is a member: not the database's owner, which a person may have been a member of. A session's
-- temporary functions are its own, unless a trigger of a table that stays uses them.
WITH trusted AS (
    SELECT r.oid FROM pg_roles r
     WHERE r.rolsuper OR r.rolname = session_user
        OR (r.rolname = 'tenantplan_owner' AND NOT r.rolcanlogin
            AND NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.member
                             WHERE m.roleid = r.oid AND o.rolname <> session_user AND NOT o.rolsuper AND NOT o.rolcreaterole))
),
owned (classid, objid, owner) AS (
    SELECT s.classid, s.objid, s.refobjid FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
     WHERE d.datname = current_database() AND s.deptype = 'o' AND s.refclassid = 'pg_authid'::regclass
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.proowner FROM pg_proc p WHERE p.oid >= 16384 AND p.proowner < 16384
)
SELECT i.type, CASE WHEN o.classid = 'pg_namespace'::regclass THEN i.name ELSE i.identity END, pg_get_userbyid(o.owner)::text
  FROM owned o CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, 0) i
 WHERE NOT EXISTS (SELECT FROM trusted t WHERE t.oid = o.owner)
   AND (o.classid = ANY ('{pg_proc,pg_operator,pg_opclass,pg_opfamily,pg_conversion,pg_event_trigger,pg_language,pg_extension}'::regclass[])
        OR o.classid = ANY ('{pg_foreign_data_wrapper,pg_foreign_server}'::regclass[])
        OR i.schema = 'public' AND o.classid = ANY ('{pg_class,pg_type}'::regclass[])
        OR i.identity = 'public' AND o.classid = 'pg_namespace'::regclass)
   AND (i.schema IS NULL OR NOT starts_with(i.schema, 'pg_temp')
        OR EXISTS (SELECT FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE g.tgfoid = o.objid AND c.relpersistence <> 't'))
   AND i.identity IS NOT NULL
 ORDER BY o.classid <> 'pg_proc'::regclass, 1, 2;

-- name: version_table
-- The comment of a version table, and whether reading it runs nobody's code: no view, no policies, no types that somebody made.
SELECT pg_catalog.left(pg_catalog.obj_description(c.oid, 'pg_class'), 1000),
       c.relkind = 'r' AND NOT pg_catalog.row_security_active(c.oid)
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attnum > 0::int2 AND a.atttypid >= 16384::oid)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND c.relname = %(table)s;

-- name: extensions
-- Of each extension: whether the server has it, only a superuser may make it, it is in this database, the connected role may make it (a
-- superuser, or a provider's administrator, whom the provider lets), and the version table here is of another role than the owner's.
SELECT w.name, v.name IS NOT NULL, coalesce(v.superuser AND NOT v.trusted, false),
       EXISTS (SELECT FROM pg_extension e WHERE e.extname = w.name),
       r.rolsuper OR EXISTS (SELECT FROM pg_roles p WHERE pg_has_role(r.oid, p.oid, 'MEMBER')
                                AND p.rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'alloydbsuperuser')),
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'public' AND c.relname = %(table)s AND pg_get_userbyid(c.relowner) <> %(owner)s)
  FROM unnest(%(names)s::text[]) AS w (name)
  JOIN pg_roles r ON r.rolname = current_user
  LEFT JOIN pg_available_extensions a ON a.name = w.name
  LEFT JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version;

-- name: typeorm_tables
-- Tables with exactly the columns of TypeORM's table of migrations, as far as their names say that they may be one.
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'::"char" AND c.relnatts = 3::int2 AND c.oid >= 16384::oid
   AND (c.relname ~~* '%migration%' OR c.relname ~~* '%typeorm%')
   AND (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
           AND (a.attname = 'id' AND a.atttypid = 23::oid OR a.attname = 'timestamp' AND a.atttypid = 20::oid
             OR a.attname = 'name' AND a.atttypid = 1043::oid)) = 3::bigint
 ORDER BY c.oid LIMIT 10;

-- name: members_that_log_in
-- The login roles that are members of a group, directly or through others; no superuser, who is a member of everything.
SELECT rolname::text FROM pg_roles
 WHERE rolcanlogin AND NOT rolsuper AND rolname <> %(group)s
   AND EXISTS (SELECT FROM pg_roles g WHERE g.rolname = %(group)s AND pg_has_role(pg_roles.oid, g.oid, 'MEMBER')
                  AND pg_roles.rolname <> current_user)
 ORDER BY 1;

-- name: shared_roles
-- Roles that may use the tenant tables of the main database: what for, whose they are, and whether they have the rights for
-- it, no less and no more.
WITH rights AS (
    SELECT c.oid, c.relacl, a.grantee, string_agg(a.privilege_type, ',' ORDER BY a.privilege_type) AS listed
      FROM pg_class c, aclexplode(c.relacl) a
     WHERE c.oid = ANY(%(divided)s::oid[]) AND a.grantee <> c.relowner GROUP BY 1, 2, 3
)
SELECT s.role_name, s.access, s.organization_id::text,
       s.access NOT IN ('write', 'read') OR (
           NOT EXISTS (
               SELECT FROM unnest(%(divided)s::oid[]) d LEFT JOIN rights r ON r.oid = d AND r.grantee = g.oid
                WHERE r.listed IS DISTINCT FROM CASE s.access WHEN 'write' THEN 'DELETE,INSERT,SELECT,UPDATE' ELSE 'SELECT' END)
           AND EXISTS (
               SELECT FROM pg_database b, aclexplode(b.datacl) a
                WHERE b.datname = current_database() AND a.grantee = g.oid AND a.privilege_type = 'CONNECT'))
  FROM tenantplan.shared_roles s JOIN pg_roles g ON g.rolname = s.role_name;

-- name: divided_tables
-- The tenant tables of the main database whose rows are divided by organization, whoever asks, with the sequences of their
-- columns: forced row level security, and no policy that lets rows through but by the server's own answer. pg_get_expr waits for
-- whoever has locked the relation that it names columns of, as an organization's login may lock a tenant table: a view of the
-- server's own, which nobody can lock, gives its names to the columns in their places.
WITH named AS (
    SELECT c.oid, CASE WHEN c.relnatts <= v.relnatts THEN v.oid ELSE c.oid END AS by, a.attnum
      FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped,
           pg_class v WHERE v.oid = 'information_schema.routines'::regclass
)
SELECT c.oid, n.nspname, c.relname,
       ARRAY(SELECT ARRAY[sn.nspname, s.relname]::text[]
               FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
              WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                AND d.deptype IN ('a', 'i'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND c.relforcerowsecurity
   AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive)
   AND NOT EXISTS (
       SELECT FROM pg_policy p JOIN named m ON m.oid = p.polrelid LEFT JOIN pg_attribute a ON a.attrelid = m.by AND a.attnum = m.attnum,
                   unnest(ARRAY[pg_get_expr(p.polqual, m.by), pg_get_expr(p.polwithcheck, m.by)]) expr
        WHERE p.polrelid = c.oid AND p.polpermissive AND expr IS NOT NULL
          AND expr IS DISTINCT FROM '(' || quote_ident(a.attname) || ' = ( SELECT tenantplan.current_organization() AS current_organization))')
 ORDER BY 2, 3;

-- name: isolation_gaps
-- What would show a role that may use the tenant tables rows of another organization: rule, thing, and what is wrong with it.
WITH RECURSIVE memberships AS (  -- without those that only let somebody grant the role, as whoever made it has them
    SELECT m.roleid, m.member FROM pg_auth_members m
     WHERE m.member <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
       AND (NOT m.admin_option OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
            OR coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))
), users AS (
    SELECT r.oid FROM tenantplan.shared_roles s JOIN pg_roles r ON r.rolname = s.role_name
    UNION SELECT m.member FROM memberships m JOIN users u ON u.oid = m.roleid
), reach AS (  -- what they are members of, they can be; 0 is PUBLIC
    SELECT oid FROM users UNION SELECT m.roleid FROM memberships m JOIN reach r ON r.oid = m.member
), everybody AS (
    SELECT oid FROM reach UNION SELECT 0::oid
), given AS (  -- to whom rights in the main database should be given by tenantplan alone
    SELECT r.oid, r.rolname::text AS name FROM tenantplan.shared_roles s JOIN pg_roles r ON r.rolname = s.role_name
    UNION ALL SELECT 0::oid, 'PUBLIC'
), named AS (  -- as above
    SELECT c.oid, CASE WHEN c.relnatts <= v.relnatts THEN v.oid ELSE c.oid END AS by, a.attnum
      FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped,
           pg_class v WHERE v.oid = 'information_schema.routines'::regclass
), tenant AS (
    SELECT c.oid FROM pg_class c JOIN named m ON m.oid = c.oid
     WHERE c.relkind IN ('r', 'p') AND (
           EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND strpos(pg_get_expr(p.polqual, m.by), 'tenantplan.') > 0)
        OR EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = m.attnum
                      AND strpos(pg_get_expr(d.adbin, m.by), 'tenantplan.') > 0))
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN tenant t ON t.oid = i.inhparent
), derived AS (  -- and the views that show them, views of views too
    SELECT oid FROM tenant
    UNION
    SELECT w.ev_class FROM derived f
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = f.oid AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
), relation AS (
    SELECT c.oid, format('%%I.%%I', n.nspname, c.relname) AS name, c.relkind, c.relowner, c.relacl, c.reloptions, c.relispartition,
           c.relrowsecurity, c.relforcerowsecurity, o.rolname::text AS owner, o.rolsuper OR o.rolbypassrls AS passes,
           c.oid IN (SELECT oid FROM tenant) AS tenant, c.oid IN (SELECT oid FROM derived) AS derived
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), policies AS (
    SELECT p.polrelid, p.polname, pg_get_expr(p.polqual, m.by) AS shows, pg_get_expr(p.polwithcheck, m.by) AS takes,
           '(' || quote_ident(a.attname) || ' = ( SELECT tenantplan.current_organization() AS current_organization))' AS proper
      FROM pg_policy p JOIN named m ON m.oid = p.polrelid LEFT JOIN pg_attribute a ON a.attrelid = m.by AND a.attnum = m.attnum
     WHERE p.polpermissive AND p.polrelid IN (SELECT oid FROM tenant)
)
SELECT 'table', 'table ' || name, CASE WHEN NOT relrowsecurity THEN 'has no row level security'
                                       ELSE 'does not force its row level security on its owner' END
       || CASE WHEN relispartition THEN ', and a partition is not protected by its table''s' ELSE '' END
       || format(': ALTER TABLE %%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name)
       || CASE WHEN EXISTS (SELECT FROM policies p WHERE p.polrelid = r.oid) THEN '' ELSE ', and give it the policy' END
  FROM relation r WHERE tenant AND NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT CASE WHEN strpos(concat(shows, takes), 'current_setting(''tenantplan.organization_id''') > 0 THEN 'setting' ELSE 'policy' END,
       format('policy %%I on %%s', polname, name),
       CASE WHEN strpos(concat(shows, takes), 'current_setting(''tenantplan.organization_id''') > 0
            THEN 'reads the setting by itself, which any SQL can change: a revision with rebind() of tenancy.py binds it to the role'
            ELSE 'lets rows through by another rule than the organization of the session:'
                 ' a policy that narrows it further is one AS RESTRICTIVE' END
  FROM policies JOIN relation r ON r.oid = polrelid
 WHERE polrelid <> ALL(%(divided)s::oid[]) AND relrowsecurity AND relforcerowsecurity
   AND (shows IS DISTINCT FROM proper OR takes <> proper)
UNION ALL
SELECT 'view', CASE relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || name,
       CASE relkind WHEN 'm' THEN 'keeps rows of every organization, and somebody else than its owner may read it: REVOKE that'
            ELSE format('is read with the rights of %%s, whom no row level security stops: ALTER VIEW %%s SET (security_invoker = true)',
                        owner, name) END
  FROM relation WHERE derived AND relacl IS NOT NULL
   AND (relkind = 'm' OR (relkind = 'v' AND passes AND NOT coalesce(reloptions && ARRAY['security_invoker=true', 'security_invoker=on'], false)))
   AND EXISTS (SELECT FROM aclexplode(relacl) a WHERE a.grantee <> relowner)
UNION ALL
SELECT 'grant', r.name, format('%%s has %%s on it: %%s', g.name, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
       CASE WHEN derived THEN 'that passes row level security, REVOKE it'
            ELSE 'it is not divided by organization; REVOKE it, or grant it to a role of your own' END)
  FROM relation r, aclexplode(relacl) a JOIN given g ON g.oid = a.grantee
 WHERE CASE WHEN relkind = 'S' THEN a.privilege_type <> 'USAGE' OR g.name = 'PUBLIC'
            WHEN derived THEN a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') ELSE true END
 GROUP BY r.name, g.name, derived
UNION ALL
SELECT 'function', format('function %%s', p.oid::regprocedure),
       format('runs with the rights of %%s, whom no row level security stops: REVOKE EXECUTE from whom it is not for', o.rolname)
  FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosecdef AND (o.rolsuper OR o.rolbypassrls) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'tenantplan')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
   AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                WHERE a.grantee IN (SELECT oid FROM everybody) AND a.grantee <> p.proowner)
   AND EXISTS (SELECT FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
                WHERE a.grantee IN (SELECT oid FROM everybody) AND a.privilege_type = 'USAGE')
UNION ALL
SELECT 'role', format('role %%I', r.rolname),
       CASE WHEN r.rolsuper THEN 'is a superuser' WHEN r.rolbypassrls THEN 'has BYPASSRLS' ELSE 'owns tenant tables' END
       || ', and a role that uses the tenant tables is one, or a member of it: no row level security stops that'
  FROM pg_roles r WHERE r.oid IN (SELECT oid FROM reach)
   AND (r.rolsuper OR r.rolbypassrls OR r.oid IN (SELECT relowner FROM relation WHERE tenant))
UNION ALL
SELECT 'schema', format('schema %%I', n.nspname), format('%%s may CREATE in it: REVOKE that', coalesce(r.rolname, 'PUBLIC'))
  FROM pg_namespace n, aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type = 'CREATE' AND a.grantee IN (SELECT oid FROM everybody) AND a.grantee <> n.nspowner
UNION ALL
SELECT 'standing', format('role %%s', coalesce(quote_ident(r.rolname), 'setting of the database')),
       'its sessions begin with tenantplan.organization_id set: ALTER ROLE or ALTER DATABASE … RESET tenantplan.organization_id'
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c
 WHERE starts_with(c, 'tenantplan.organization_id=') AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND (s.setrole = 0 OR s.setrole IN (SELECT oid FROM users));
