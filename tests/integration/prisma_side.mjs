// Applies the first migrations of a tree with Prisma's own engine: node side.mjs FOLDER < [[url, count], ...]
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const { PrismaPg } = require('@prisma/adapter-pg');
const bg = await import(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/^/, 'file://'));
const wasmPath = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm');
const { instance } = await WebAssembly.instantiate(readFileSync(wasmPath), { './schema_engine_bg.js': bg });
bg.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start?.();
const folder = process.argv[2];
const names = readdirSync(folder, { withFileTypes: true }).filter((d) => d.isDirectory()).map((d) => d.name).sort((a, b) => a.localeCompare(b));
const lock = join(folder, 'migration_lock.toml');
for (const [url, count] of JSON.parse(readFileSync(0, 'utf8'))) {
  const { bindMigrationAwareSqlAdapterFactory } = require('@prisma/driver-adapter-utils');
  const plain = new PrismaPg({ connectionString: url, max: 1 });
  const connect = plain.connect.bind(plain);
  // As the native engine does: the whole script is one query. The adapter cuts it at its semicolons, also inside of functions.
  plain.connect = async () => { const a = await connect(); a.executeScript = async (script) => { await a.client.query(script); }; return a; };
  const factory = bindMigrationAwareSqlAdapterFactory(plain);
  const engine = await bg.SchemaEngine.new({ datamodels: [['schema.prisma', 'datasource db {\n provider = "postgresql"\n}']], datasource: undefined }, () => {}, factory);
  const migrationDirectories = names.slice(0, count).map((path) => ({ path, migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: readFileSync(join(folder, path, 'migration.sql'), 'utf8') } } }));
  const lockfile = { path: 'migration_lock.toml', content: existsSync(lock) ? readFileSync(lock, 'utf8') : null };
  const filters = { externalTables: [], externalEnums: [] };
  const found = await engine.applyMigrations({ migrationsList: { baseDir: folder, lockfile, shadowDbInitScript: '', migrationDirectories }, filters });
  console.log(found.appliedMigrationNames.length);
  await engine.free?.();
}
process.exit(0);
