// MariaDB's own connector for node: batches, prepared statements, streams.
const assert = require('node:assert')
const mariadb = require('mariadb')

const where = { host: process.env.STARKEEP_HOST, port: Number(process.env.STARKEEP_PORT), user: 'root' }

async function main () {
  const connection = await mariadb.createConnection({ ...where, bigIntAsNumber: true, dateStrings: true })
  await connection.query('DROP DATABASE IF EXISTS client_mariadb')
  await connection.query('CREATE DATABASE client_mariadb')
  await connection.query('USE client_mariadb')
  await connection.query('CREATE TABLE t (id BIGINT NOT NULL, price DECIMAL(10, 2), at DATETIME, name VARCHAR(50)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id)')
  await connection.batch('INSERT INTO t VALUES (?, ?, ?, ?)', [[1, '1.50', '2026-01-02 03:04:05', "it's"], [2, null, null, null]])
  const rows = await connection.query('SELECT * FROM t ORDER BY id')
  assert.deepEqual(Object.values(rows[0]), [1, '1.50', '2026-01-02 03:04:05', "it's"])
  assert.deepEqual(Object.values(rows[1]), [2, null, null, null])
  const prepared = await connection.execute('SELECT name FROM t WHERE id = ?', [1])
  assert.equal(prepared[0].name, "it's")
  await assert.rejects(connection.query('SELEC 1'), error => error.errno === 1064)
  let count = 0
  for await (const row of connection.queryStream('SELECT g FROM TABLE(generate_series(1, 50000)) s(g)')) count += row.g > 0 ? 1 : 0
  assert.equal(count, 50000)
  await connection.beginTransaction()
  await connection.query('INSERT INTO t VALUES (3, NULL, NULL, NULL)')
  await connection.commit()
  await connection.ping()
  await connection.reset()
  const left = await connection.query('SELECT count(*) AS n FROM client_mariadb.t')
  assert.equal(left[0].n, 3)
  await connection.query('DROP DATABASE client_mariadb FORCE')
  await connection.end()
}

main().catch(error => { console.error(error); process.exit(1) })
