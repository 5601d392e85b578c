// Applies migrations with TypeORM itself: node typeorm_side.cjs < [[url, [[name, file], ...]], ...]
// Run in a folder whose node_modules have typeorm, pg, reflect-metadata, ts-node and typescript 5.
const { readFileSync } = require('node:fs');
const require_ = require('node:module').createRequire(process.cwd() + '/');
require_('reflect-metadata');
require_('ts-node').register({
  transpileOnly: true, skipProject: true, ignore: [], compilerOptions: { module: 'commonjs', target: 'es2022' },
});
const { DataSource, EntitySchema } = require_('typeorm');

function migration([name, file]) {
  if (file.endsWith('.ts')) return Object.values(require(file)).find((each) => typeof each === 'function');
  const script = readFileSync(file, 'utf8');
  return class { name = name; up(runner) { return runner.query(script); } };
}

// What makes TypeORM make an extension, and its own table: an entity with such a column, and a view.
function entities(text) {
  const id = { type: 'uuid', primary: true, generated: 'uuid' };
  const table = new EntitySchema({ name: 'tenantplan_uuid', columns: { id } });
  const view = new EntitySchema({ name: 'tenantplan_view', type: 'view', expression: 'SELECT 1 AS id', columns: { id: { type: Number } } });
  return [...(text.includes('uuid_generate_v4') ? [table] : []), ...(text.includes('typeorm_metadata') ? [view] : [])];
}

(async () => {
  for (const [url, files] of JSON.parse(readFileSync(0, 'utf8'))) {
    const text = files.map(([, file]) => readFileSync(file, 'utf8')).join('\n');
    const source = new DataSource({
      type: 'postgres', url, migrations: files.map(migration), entities: entities(text), migrationsTransactionMode: 'each',
    });
    await source.initialize();
    await source.runMigrations();
    await source.destroy();
  }
})().catch((error) => { console.error(error.message); process.exit(1); });
