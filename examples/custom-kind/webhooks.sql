-- What an application's own migration would make. managed_by is tenantplan's mark: NULL in the application's rows.
CREATE TABLE public.webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    organization_id uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE,
    target_url text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    retries integer NOT NULL DEFAULT 3,
    active boolean NOT NULL DEFAULT true,
    managed_by text
);
