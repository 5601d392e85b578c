-- who changed what: 100%
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit (what) VALUES (format('%s on %I', TG_OP, TG_TABLE_NAME));
    RETURN NULL;
END
$$;
