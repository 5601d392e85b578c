-- The selftest's statements, for a temporary database that the main tree has filled.

-- name: create
-- Two organizations, one to be deleted and one to stay, each with users, projects and their deployments, a licensed tenant.
WITH o AS (INSERT INTO public.organizations (slug) VALUES ('leaving'), ('staying') RETURNING id, slug),
     u AS (INSERT INTO public.users (email, role, organization_id)
           SELECT n || '@' || o.slug || '.example', 'AGENCY_DEVELOPER', o.id FROM o, unnest(ARRAY['ann', 'bob']) n
           RETURNING id, organization_id),
     m AS (INSERT INTO public.organization_members (organization_id, user_id, role)
           SELECT organization_id, id, 'AGENCY_DEVELOPER' FROM u),
     t AS (INSERT INTO public.templates (name) VALUES ('theme') RETURNING id),
     p AS (INSERT INTO public.projects (organization_id, template_id, slug)
           SELECT o.id, t.id, s FROM o, t, unnest(ARRAY['shop', 'blog']) s RETURNING id),
     d AS (INSERT INTO public.deployments (project_id, status)
           SELECT p.id, s FROM p, unnest(ARRAY['SUCCESS', 'FAILED']::public.deployment_status[]) s),
     n AS (INSERT INTO public.tenants (name, organization_id) SELECT slug || '-tenant', id FROM o RETURNING id)
INSERT INTO public.licenses (tenant_id, name) SELECT id, 'main' FROM n;

-- name: read
SELECT o.slug, count(DISTINCT u.id), count(DISTINCT p.id), count(DISTINCT d.id), count(DISTINCT l.id), min(x.name)
  FROM public.organizations o
  JOIN public.users u ON u.organization_id = o.id
  JOIN public.organization_members m ON m.organization_id = o.id AND m.user_id = u.id
  JOIN public.projects p ON p.organization_id = o.id
  JOIN public.templates x ON x.id = p.template_id
  JOIN public.deployments d ON d.project_id = p.id
  JOIN public.tenants t ON t.organization_id = o.id
  JOIN public.licenses l ON l.tenant_id = t.id
 GROUP BY o.slug ORDER BY o.slug;

-- name: delete_project
DELETE FROM public.projects p USING public.organizations o
 WHERE o.id = p.organization_id AND (o.slug, p.slug) = ('leaving', 'blog');

-- name: delete_organization
DELETE FROM public.organizations WHERE slug = 'leaving';

-- name: counts
SELECT 'organizations', count(*) FROM public.organizations UNION ALL
SELECT 'users', count(*) FROM public.users UNION ALL
SELECT 'organization_members', count(*) FROM public.organization_members UNION ALL
SELECT 'templates', count(*) FROM public.templates UNION ALL
SELECT 'projects', count(*) FROM public.projects UNION ALL
SELECT 'deployments', count(*) FROM public.deployments UNION ALL
SELECT 'tenants', count(*) FROM public.tenants UNION ALL
SELECT 'licenses', count(*) FROM public.licenses;

-- name: left_behind
-- What has the name of a selftest's database or role.
SELECT 'database' FROM pg_database WHERE datname = %(name)s UNION ALL
SELECT 'role' FROM pg_roles WHERE rolname = %(name)s;
