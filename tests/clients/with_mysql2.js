// node's mysql2: text and prepared statements, streams, pools.
const assert = require('node:assert')
const mysql = require('mysql2/promise')

const where = { host: process.env.STARKEEP_HOST, port: Number(process.env.STARKEEP_PORT), user: 'root' }

async function main () {
  const pool = mysql.createPool({ ...where, connectionLimit: 3, dateStrings: true })
  await pool.query('DROP DATABASE IF EXISTS client_mysql2')
  await pool.query('CREATE DATABASE client_mysql2')
  await pool.query('CREATE TABLE client_mysql2.t (id BIGINT NOT NULL, price DECIMAL(10, 2), day DATE, name VARCHAR(50), ratio DOUBLE) PRIMARY KEY(id) DISTRIBUTED BY HASH(id)')
  const rows = [[1, '1.50', '2026-01-02', "it's ?", 0.25], [2, null, null, null, null]]
  const [inserted] = await pool.query('INSERT INTO client_mysql2.t VALUES ?', [rows])
  assert.equal(inserted.affectedRows, 2)
  const [all, fields] = await pool.query('SELECT * FROM client_mysql2.t ORDER BY id')
  assert.deepEqual(all.map(row => Object.values(row)), rows)
  assert.deepEqual(fields.map(field => field.name), ['id', 'price', 'day', 'name', 'ratio'])
  const [prepared] = await pool.execute('SELECT name, ratio, id + ? AS more FROM client_mysql2.t WHERE id = ?', [10, 1])
  assert.deepEqual({ ...prepared[0], more: Number(prepared[0].more) }, { name: "it's ?", ratio: 0.25, more: 11 })
  await pool.execute('INSERT INTO client_mysql2.t (id, name, price) VALUES (?, ?, ?)', [3, 'ü 漢字 🙂', '9.99'])
  const [third] = await pool.execute('SELECT name, price FROM client_mysql2.t WHERE id = ?', [3])
  assert.deepEqual({ ...third[0] }, { name: 'ü 漢字 🙂', price: '9.99' })
  await assert.rejects(pool.query('SELECT nothing FROM client_mysql2.t'), error => error.errno === 1064)

  const connection = await pool.getConnection()
  await connection.ping()
  let count = 0
  const stream = connection.connection.query('SELECT g FROM TABLE(generate_series(1, 50000)) s(g)').stream()
  for await (const row of stream) count += row.g > 0 ? 1 : 0
  assert.equal(count, 50000)
  await connection.beginTransaction()
  await connection.query('INSERT INTO client_mysql2.t VALUES (4, NULL, NULL, NULL, NULL)')
  await connection.rollback()
  const [left] = await connection.query('SELECT count(*) AS n FROM client_mysql2.t')
  assert.equal(left[0].n, 3)
  await connection.changeUser({ user: 'root', database: 'client_mysql2' })
  const [now] = await connection.query('SELECT database() AS name')
  assert.equal(now[0].name, 'client_mysql2')
  connection.release()
  await pool.query('DROP DATABASE client_mysql2 FORCE')
  await pool.end()
}

main().catch(error => { console.error(error); process.exit(1) })
