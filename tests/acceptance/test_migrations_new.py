"""`migrations new --autogenerate` and `new` in a tree of Prisma's: what it writes applies, and then nothing differs."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree
from servers import PASSWORDS

pytestmark = pytest.mark.once

MAKO = '''"""${message}"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''
TEMPLATE_WITHOUT_IMPORTS = MAKO.replace("import sqlalchemy as sa\n", "").replace('${imports if imports else ""}\n', "")
MODELS = """
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

print("models are imported")

class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention={
        "pk": "%(table_name)s_pkey", "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key", "ix": "%(table_name)s_%(column_0_name)s_idx",
    })

class Money(sa.types.TypeDecorator):
    impl = sa.Numeric(14, 2)
    cache_ok = True

class Owner(Base):
    __tablename__ = "owners"
    id = mapped_column(sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()"))
    email = mapped_column(sa.String(100), nullable=False, unique=True)
    since = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())

class Pet(Base):
    __tablename__ = "pets"
    id = mapped_column(sa.Integer, primary_key=True)
    name = mapped_column(sa.Text, nullable=False, server_default="Rex", comment="as it is called")
    price = mapped_column(Money)
    facts = mapped_column(JSONB)
    tags = mapped_column(sa.ARRAY(sa.Text))
    owner_id = mapped_column(sa.ForeignKey("owners.id", ondelete="CASCADE"), index=True)
"""


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    """A tree with nothing in it, and models in a module beside the fleet file."""
    fleet.write("mig/script.py.mako", MAKO)
    (fleet.root / "mig" / "versions").mkdir()
    fleet.settings(migrations="mig, models: 'shop.models:Base'")
    fleet.write("shop/models.py", MODELS)
    return TenantTree(fleet.root / "mig", "")


def written(tree: TenantTree) -> list[Path]:
    return sorted((tree.folder / "versions").glob("*.py"))


def generated(fleet: Fleet, tree: TenantTree, message: str = "pets") -> str:
    """The text of the revision that was made."""
    before = set(written(tree))
    result = fleet.run("migrations", "new", message, "--autogenerate")
    (path,) = set(written(tree)) - before
    assert result.out.startswith(f"{path} after ")
    return path.read_text()


def refused(fleet: Fleet, tree: TenantTree, code: int = 1) -> str:
    """What is said where nothing may be written, nor anything be left on the server."""
    before = written(tree)
    error = fleet.run("migrations", "new", "pets", "--autogenerate", code=code).err
    assert written(tree) == before
    assert scratches(fleet) == []
    return error


def scratches(fleet: Fleet) -> list[str]:
    found = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE 'tp_new_autogenerate%%'", database="postgres"
    )
    return [name for (name,) in found]


def same(fleet: Fleet, tree: TenantTree) -> None:
    """Nothing differs any more, and then nothing is written."""
    before = written(tree)
    assert "Nothing to write" in fleet.run("migrations", "new", "again", "--autogenerate").out
    assert written(tree) == before
    assert scratches(fleet) == []


def columns(fleet: Fleet, database: str) -> list[tuple[str, ...]]:
    return fleet.rows(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, ordinal_position",
        database=database,
    )


def test_models_become_a_revision_that_applies_and_goes_back(fleet: Fleet, tree: TenantTree) -> None:
    text = generated(fleet, tree)
    assert "Money" not in text  # a revision outlives the application's types
    assert "sa.Numeric(precision=14, scale=2)" in text
    assert text.count("import sqlalchemy as sa") == 1
    assert "from sqlalchemy.dialects import postgresql" in text
    same(fleet, tree)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    database = fleet.database("msf")
    made = columns(fleet, database)
    assert ("pets", "price", "numeric") in made
    assert ("owners", "since", "timestamp with time zone") in made
    fleet.execute(fleet.run("migrations", "sql", "--from", "head", "--to", "base").out, database=database)
    assert columns(fleet, database) == []
    fleet.execute(fleet.run("migrations", "sql").out, database=database)
    assert columns(fleet, database) == made
    fleet.converged()


def test_each_change_of_the_models(fleet: Fleet, tree: TenantTree) -> None:
    generated(fleet, tree)
    head = written(tree)[0].stem.partition("_")[0]
    changed = MODELS.replace('server_default="Rex"', 'server_default="Tom"').replace("sa.String(100)", "sa.String(200)")
    changed = changed.replace("nullable=False, unique=True", "unique=True").replace("facts =", "details =")
    changed = changed.replace("as it is called", "its name").replace(', ondelete="CASCADE"', "")
    fleet.write("shop/models.py", changed + '    __table_args__ = (sa.Index("pets_name", "name"),)\n')
    text = generated(fleet, tree, "changes")
    assert f"down_revision = '{head}'" in text
    up = fleet.run("migrations", "sql", "--from", head).out
    for said in (
        "ALTER COLUMN name SET DEFAULT 'Tom'",
        "ALTER COLUMN email TYPE VARCHAR(200)",
        "ALTER COLUMN email DROP NOT NULL",
        "ADD COLUMN details JSONB",
        "DROP COLUMN facts",
        "IS 'its name'",
        "CREATE INDEX pets_name ON pets (name)",
        "DROP CONSTRAINT pets_owner_id_fkey",
    ):
        assert said in up
    same(fleet, tree)


def test_tables_are_dropped_in_an_order_that_works(fleet: Fleet, tree: TenantTree) -> None:
    """Alembic alone would drop them by their names: aaa first, to which zzz refers."""
    rows = 'class A(Base):\n    __tablename__ = "aaa"\n    id = mapped_column(sa.Integer, primary_key=True)\n'
    rows += (
        'class Z(Base):\n    __tablename__ = "zzz"\n    id = mapped_column(sa.ForeignKey("aaa.id"), primary_key=True)\n'
    )
    rows += '    other = mapped_column(sa.ForeignKey("zzz.id"))\n'
    fleet.write("shop/models.py", MODELS + rows + "Pet.a_id = mapped_column(sa.ForeignKey('aaa.id'))\n")
    fleet.organization("msf", "database: { mode: dedicated }")
    generated(fleet, tree)
    fleet.apply()
    fleet.write("shop/models.py", MODELS)
    generated(fleet, tree, "away")
    same(fleet, tree)
    fleet.apply("--allow-destructive", "1")
    database = fleet.database("msf")
    assert {name for name, *_ in columns(fleet, database)} == {"owners", "pets"}
    fleet.execute(fleet.run("migrations", "sql", "--from", "head", "--to", "base").out, database=database)
    assert columns(fleet, database) == []


def test_what_is_not_the_models_stays(fleet: Fleet, tree: TenantTree) -> None:
    """The version table, tables of the main database, schemas that no model is in, and partitions."""
    tree.head = "aa00aa00"
    path = tree.add(
        "aa00aa00",
        'op.execute("CREATE SCHEMA own")\nop.execute("CREATE TABLE own.things (id int)")\n'
        'op.execute("CREATE SCHEMA crm")\nop.execute("CREATE TABLE crm.contacts (id int PRIMARY KEY)")\n'
        'op.execute("CREATE TABLE pieces (id int) PARTITION BY RANGE (id)")\n'
        'op.execute("CREATE TABLE pieces_1 PARTITION OF pieces FOR VALUES FROM (1) TO (2)")',
    )
    path.write_text(path.read_text().replace("down_revision = 'aa00aa00'", "down_revision = None"))
    fleet.write(
        "shop/models.py",
        "import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('organizations', metadata, sa.Column('x', sa.Integer))\n"
        "sa.Table('sessions', metadata, sa.Column('x', sa.Integer))\n"
        "sa.Table('pieces', metadata, sa.Column('id', sa.Integer))\n"
        "sa.Table('contacts', metadata, sa.Column('id', sa.Integer, primary_key=True), schema='crm')\n",
    )
    fleet.settings(migrations="mig, models: 'shop.models:metadata'")
    same(fleet, tree)
    with (fleet.root / "shop" / "models.py").open("a") as file:
        file.write("sa.Table('new', metadata, sa.Column('id', sa.Integer), schema='crm')\n")
    text = generated(fleet, tree)
    assert text.count("op.") == 2
    assert "schema='crm'" in text


def test_a_template_without_a_place_for_imports(fleet: Fleet, tree: TenantTree) -> None:
    fleet.write("mig/script.py.mako", TEMPLATE_WITHOUT_IMPORTS)
    fleet.write("mig/tenancy.py", "")
    result = fleet.run("migrations", "new", "pets", "--autogenerate")
    assert "organization_id" in result.err
    assert "models are imported" in result.err
    text = written(tree)[0].read_text()
    assert re.search(
        r"import op\nfrom sqlalchemy.dialects import postgresql\nimport sqlalchemy as sa\n\nrevision = ", text
    )
    same(fleet, tree)


@pytest.mark.parametrize("reference", ["shop.models:Base.metadata", "shop.models:Base"])
def test_models_are_named_in_two_ways(fleet: Fleet, tree: TenantTree, reference: str) -> None:
    fleet.settings(migrations=f"mig, models: '{reference}'")
    assert "owners" in generated(fleet, tree)
    assert not list(fleet.root.glob("shop/**/__pycache__"))


def test_a_type_of_a_library_is_imported(fleet: Fleet, tree: TenantTree) -> None:
    point = "class Point(sa.types.UserDefinedType):\n    cache_ok = True\n"
    point += "    def get_col_spec(self):\n        return 'point'\n    def __repr__(self):\n        return 'Point()'\n"
    fleet.write("shop/types.py", f"import sqlalchemy as sa\n{point}")
    fleet.write("shop/models.py", f"import shop.types\n{MODELS}    place = mapped_column(shop.types.Point())\n")
    text = generated(fleet, tree)
    assert "import shop.types\n" in text
    assert "sa.Column('place', shop.types.Point(), nullable=True)" in text


@pytest.mark.parametrize(
    ("reference", "models", "said"),
    [
        (None, "", "no models are named"),
        ("shop.nothing:Base", "", "ModuleNotFoundError"),
        ("shop.models:Nothing", "", "has no attribute 'Nothing'"),
        ("shop.models:sa", "", "is no MetaData and has none"),
        ("shop.models:Base", "raise SystemExit('no database')", "SystemExit: no database"),
        ("shop.models:Base", "Owner.a = mapped_column(sa.ForeignKey('nowhere.id'))", "NoReferencedTableError"),
    ],
)
def test_models_that_cannot_be_used(
    fleet: Fleet, tree: TenantTree, reference: str | None, models: str, said: str
) -> None:
    fleet.write("shop/models.py", f"{MODELS}\n{models}\n")
    fleet.settings(migrations=f"mig, models: '{reference}'" if reference else "mig")
    assert said in refused(fleet, tree)


def test_where_it_is_no_use(fleet: Fleet, tree: TenantTree) -> None:
    assert (
        "this cannot be the message of a revision"
        in fleet.run("migrations", "new", "a\nb", "--autogenerate", code=1).err
    )
    fleet.run("migrations", "new", "pets", "--autogenerate", "--tree", "main", code=1)
    fleet.settings(migrations="mig, main: mig, models: 'shop.models:Base'")
    said = fleet.run("migrations", "new", "pets", "--autogenerate", "--tree", "main", code=1).err
    assert "for the tenant tree only" in said
    fleet.env["TENANTPLAN_MAIN_URL"] = "postgresql://nobody:Zq7-kT9wLx2m@127.0.0.1:1/none"
    fleet.settings(migrations="mig, models: 'shop.models:Base'")
    assert "nothing listens there" in refused(fleet, tree)
    assert written(tree) == []


def test_a_role_that_may_not_make_databases(fleet: Fleet, tree: TenantTree) -> None:
    role = f"o{fleet.id}_weak"
    fleet.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORDS['postgres']}'", database="postgres")
    fleet.env["TENANTPLAN_MAIN_URL"] = fleet.server.url(password=PASSWORDS["postgres"]).replace("tp_admin", role)
    error = refused(fleet, tree)
    assert "may not make the scratch database" in error
    assert f'ALTER ROLE "{role}" CREATEDB' in error


def test_a_tree_that_does_not_run(fleet: Fleet, tree: TenantTree) -> None:
    path = tree.add("aa00aa00", 'op.execute("SELECT 1 / 0")', down="none")
    path.write_text(path.read_text().replace("'none'", "None"))
    said = refused(fleet, tree)
    assert "the tree does not run on an empty database: revision aa00aa00" in said and "22012" in said


def test_programs_of_the_tree_run(fleet: Fleet, tree: TenantTree) -> None:
    body = "if op.get_bind().execute(sa.text('SELECT 1')).scalar():\n    op.create_table('pets', sa.Column('id', sa.Integer))"
    path = tree.add("aa00aa00", body, down="none")
    path.write_text(path.read_text().replace("'none'", "None"))
    text = generated(fleet, tree)
    assert "op.create_table('owners'" in text
    assert "op.add_column('pets'" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(fleet: Fleet, tree: TenantTree, number: signal.Signals) -> None:
    path = tree.add("aa00aa00", 'op.execute("SELECT pg_sleep(600)")', down="none")
    path.write_text(path.read_text().replace("'none'", "None"))
    process = fleet.start("migrations", "new", "pets", "--autogenerate")
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600%%' AND datname LIKE 'tp_new_auto%%'"
    )
    deadline = time.monotonic() + 30
    while fleet.rows(sleeping, database="postgres") == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "interrupted" in error
    assert scratches(fleet) == []
    assert written(tree) == [path]


def test_a_new_migration_of_prisma(fleet: Fleet) -> None:
    """A folder as `prisma migrate dev --create-only` makes it; the next one comes after it, whatever the clock says."""
    fleet.write("prisma/migration_lock.toml", 'provider = "postgresql"\n')
    fleet.settings(migrations="prisma")
    first = Path(fleet.run("migrations", "new", "Pets get: names").out.partition(" after base")[0])
    assert re.fullmatch(r"20\d{12}_pets_get_names", first.parent.name)
    assert (first.name, first.read_text()) == ("migration.sql", "-- This is an empty migration.\n")
    assert sorted(path.name for path in first.parent.iterdir()) == ["migration.sql"]
    fleet.run("migrations", "new", "a second")
    ahead = fleet.write("prisma/20991231235959_ahead/migration.sql", "CREATE TABLE ahead (id int);")
    said = fleet.run("migrations", "new", "third").out
    assert "21000101000000_third" in said
    assert f"after {ahead.parent.name}" in said
    out = fleet.run("migrations", "sql").out
    assert [
        out.index(f"-- upgrade {name}") for name in sorted(p.name for p in ahead.parents[1].iterdir() if p.is_dir())
    ]
    assert len(list((fleet.root / "prisma").iterdir())) == 5


def test_what_cannot_be_made_in_a_tree_of_prisma(fleet: Fleet) -> None:
    fleet.write("prisma/init/migration.sql", "CREATE TABLE pets (id int);")
    fleet.settings(migrations="prisma, models: 'shop.models:Base'")
    assert "would not come after init" in fleet.run("migrations", "new", "pets", code=1).err
    said = fleet.run("migrations", "new", "pets", "--autogenerate", code=1).err
    assert "prisma migrate diff" in said
    assert [path.name for path in (fleet.root / "prisma").iterdir()] == ["init"]


def test_a_new_migration_of_prisma_applies(fleet: Fleet) -> None:
    fleet.write("prisma/20260101000000_init/migration.sql", "CREATE TABLE pets (id int);")
    fleet.settings(migrations="prisma")
    fleet.run("migrations", "new", "nothing yet")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    found = fleet.rows("SELECT migration_name FROM _prisma_migrations ORDER BY 1", database=fleet.database("msf"))
    assert [name.partition("_")[2] for (name,) in found] == ["init", "nothing_yet"]
    fleet.converged()
