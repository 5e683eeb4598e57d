// The cluster at a glance: is it well, who is who, how far behind.

import { actionButtons } from '../confirm.js';
import { h } from '../dom.js';
import { UNKNOWN, ago, bytes, count, plural, span, time } from '../format.js';
import { badge, awaited, clipped, empty, facts, meter, notice, section, table } from '../widgets.js';
import { restorable, snapshotLevel } from './snapshots.js';

/** Shorter than this ago, a start is worth a word. */
const RECENT_SECONDS = 300;
/** A frontend that is so many revisions behind is worth a word. */
const LAG_REVISIONS = 1000;

export const cluster = {
  title: 'Cluster',
  topics: ['cluster'],
  open: (app) => ({ render: () => page(app) }),
};

/** What is wrong with the nodes: `[{level, text}]`. */
export function problems(c) {
  const found = [];
  const isOfComputeNode = (c.frontends ?? []).length === 0;
  if (isOfComputeNode && !c.leader) found.push({ level: 'warn', text: 'This compute node hears no leader.' });
  else if (!c.leader) found.push({ level: 'bad', text: 'There is no leader: nothing can be written.' });
  for (const fe of c.frontends ?? []) {
    if (!fe.alive) found.push({ level: 'bad', text: `Frontend ${fe.name} is down.` });
    else if (fe.lag > LAG_REVISIONS) found.push({ level: 'warn', text: `Frontend ${fe.name} is ${count(fe.lag)} revisions behind.` });
  }
  const nodes = c.compute_nodes ?? [];
  for (const cn of nodes) {
    if (!cn.alive) found.push({ level: nodes.some((n) => n.alive) ? 'warn' : 'bad', text: `Compute node ${cn.host}:${cn.heartbeat_port} is down${cn.last_heartbeat_ms ? `, last heard ${span(ago(cn.last_heartbeat_ms))} ago` : ''}${cn.error ? `: ${cn.error}` : '.'}` });
  }
  if (nodes.length > 0 && nodes.every((n) => !n.alive)) found.push({ level: 'bad', text: 'No compute node is alive: tables cannot be read or written.' });
  return found;
}

/** The worst of the cluster, for the mark in the navigation. */
export function clusterLevel(c) {
  if (!c) return 'ok';
  const levels = problems(c).map((p) => p.level);
  return levels.includes('bad') ? 'bad' : levels.includes('warn') ? 'warn' : 'ok';
}

function page(app) {
  const missing = awaited(app.feed, 'cluster');
  if (missing) return missing;
  const c = app.feed.data.cluster;
  return [verdict(app, c), glance(app, c), frontends(c), computeNodes(c), changes(app), statements(app)];
}

function verdict(app, c) {
  const found = problems(c);
  const all = (c.frontends ?? []).length + (c.compute_nodes ?? []).length;
  const alive = [...(c.frontends ?? []), ...(c.compute_nodes ?? [])].filter((n) => n.alive).length;
  const level = clusterLevel(c);
  const title = found.length === 0 ? (all === 1 ? 'The node is well' : `All ${plural(all, 'node')} are well`) : alive < all ? `${count(all - alive)} of ${plural(all, 'node')} down` : `${plural(found.length, 'thing')} to look at`;
  const ofRestore = actionButtons(app, 'cluster').filter((b) => b.key === 'finish_restore');
  const careful = c.careful
    ? notice('warn', h('p', null, 'This cluster was restored and is careful: nothing expires and no file is deleted until an administrator runs ADMIN FINISH RESTORE, or a day has passed.'), h('p', { class: 'buttons' }, ofRestore))
    : null;
  return h(
    'div',
    { key: 'verdict' },
    h('div', { class: `verdict ${level}` }, badge(level, title), found.length ? h('ul', null, found.map((p) => h('li', { key: p.text }, h('bdi', null, p.text)))) : h('p', null, c.compute_nodes?.length ? 'Every node answers.' : 'There is no compute node yet.')),
    careful,
  );
}

function glance(app, c) {
  const snapshots = app.feed.data.snapshots;
  const running = (c.compute_nodes ?? []).reduce((sum, n) => sum + (n.running_queries ?? 0), 0);
  return facts(
    [
      ['Leader', h('bdi', { class: 'data' }, c.leader ?? 'none')],
      ['Revision', count(c.revision), 'The counter of the catalog: one more for every change'],
      ['Epoch', count(c.epoch), 'Counts the lives of this cluster: a restore begins a new one'],
      ['Queries on compute nodes', count(running)],
      snapshots ? ['Restorable snapshot', h('a', { href: '#/snapshots' }, badge(snapshotLevel(snapshots), restorable(snapshots)))] : null,
      ['Incarnation', clipped(c.incarnation ?? UNKNOWN, 40)],
      ['Cluster id', h('bdi', { class: 'data' }, String(c.cluster_id ?? UNKNOWN))],
      ['Service id', clipped(c.service_id ?? UNKNOWN, 40)],
    ],
    'facts glance',
  );
}

function up(node) {
  const age = ago(node.start_time_ms);
  if (!node.alive) return UNKNOWN;
  return h('div', { class: 'oneline' }, age !== null && age < RECENT_SECONDS ? badge('busy', `${span(age)}, just started`) : span(age), h('div', { class: 'sub' }, 'since ', time(node.start_time_ms)));
}

function frontends(c) {
  const columns = [
    { label: 'Frontend', cls: 'oneline', cell: (n) => [h('bdi', { class: 'data strong' }, n.host ?? n.name), h('div', { class: 'sub' }, clipped(n.name, 60))] },
    { label: 'State', cell: (n) => (n.alive ? badge('ok', 'alive') : badge('bad', 'down')) },
    { label: 'Role', cell: (n) => String(n.role ?? UNKNOWN).toLowerCase() },
    { label: 'Applied revision', numeric: true, cell: (n) => count(n.applied_revision) },
    { label: 'Behind', numeric: true, cell: (n) => (n.lag === null || n.lag === undefined ? UNKNOWN : n.lag > LAG_REVISIONS ? badge('warn', count(n.lag)) : count(n.lag)) },
    { label: 'Ports', cell: (n) => `http ${n.http_port ?? UNKNOWN}, mysql ${n.query_port ?? UNKNOWN}` },
    { label: 'Up', cell: up },
    { label: 'Version', cell: (n) => clipped(n.version ?? UNKNOWN, 24) },
  ];
  const rows = c.frontends ?? [];
  if (rows.length === 0) return section('frontends', 'Frontends', null, h('p', { class: 'muted' }, 'This is the dashboard of a compute node, which knows itself only', c.leader ? [' and its leader, ', h('bdi', { class: 'data' }, c.leader)] : '', '. Open that of a frontend to see the whole cluster.'));
  return section('frontends', 'Frontends', plural(rows.length, 'node'), table({ caption: 'Frontends', columns, rows, key: (n) => n.name, none: empty('No frontend is known.') }));
}

function computeNodes(c) {
  const columns = [
    { label: 'Compute node', cls: 'oneline', cell: (n) => [h('bdi', { class: 'data strong' }, `${n.host}:${n.heartbeat_port}`), h('div', { class: 'sub' }, `id ${n.id}, http ${n.http_port ?? UNKNOWN}`)] },
    { label: 'State', cell: (n) => [n.alive ? badge('ok', 'alive') : badge('bad', 'down'), n.error ? h('div', { class: 'sub bad-text' }, clipped(n.error, 160)) : null] },
    { label: 'Heartbeat', numeric: true, cell: (n) => (n.last_heartbeat_ms ? h('span', { title: new Date(n.last_heartbeat_ms).toISOString() }, `${span(ago(n.last_heartbeat_ms))} ago`) : 'never') },
    { label: 'Memory', cell: (n) => (n.memory_used_bytes === null || n.memory_used_bytes === undefined ? UNKNOWN : meter(n.memory_used_bytes, n.memory_limit_bytes, `${bytes(n.memory_used_bytes)} of ${bytes(n.memory_limit_bytes)}`, 'Memory used')) },
    { label: 'Data cache', cell: (n) => (n.data_cache ? [meter(n.data_cache.memory_used_bytes, n.data_cache.memory_capacity_bytes, `${bytes(n.data_cache.memory_used_bytes)} of ${bytes(n.data_cache.memory_capacity_bytes)} in memory`, 'Data cache in memory'), h('div', { class: 'sub' }, n.data_cache.disk_capacity_bytes ? `${bytes(n.data_cache.disk_used_bytes)} of ${bytes(n.data_cache.disk_capacity_bytes)} on disk` : 'no disk')] : UNKNOWN) },
    { label: 'Cores', numeric: true, cell: (n) => count(n.cpu_cores) },
    { label: 'Queries', numeric: true, cell: (n) => count(n.running_queries) },
    { label: 'Up', cell: up },
    { label: 'Epoch', numeric: true, cell: (n) => h('span', { title: n.incarnation ? `Incarnation ${n.incarnation}` : null }, count(n.epoch)) },
    { label: 'Version', cell: (n) => clipped(n.version ?? UNKNOWN, 24) },
  ];
  const rows = c.compute_nodes ?? [];
  const none = empty('There is no compute node yet.', 'Tables are read and written by compute nodes. Start one, then run on a frontend:', h('code', null, 'ALTER SYSTEM ADD COMPUTE NODE "host:9050"'));
  return section('compute', 'Compute nodes', rows.length ? `${count(rows.filter((n) => n.alive).length)} of ${count(rows.length)} alive` : null, table({ caption: 'Compute nodes', columns, rows, key: (n) => n.id, none }));
}

/** What can be done here; what ends the care after a restore stands where that is said. */
function statements(app) {
  const buttons = actionButtons(app, 'cluster').filter((b) => b.key !== 'finish_restore');
  return buttons.length ? section('statements', 'Statements', null, h('p', { class: 'buttons' }, buttons)) : null;
}

function changes(app) {
  const list = app.changes.list;
  return section(
    'changes',
    'While you watched',
    null,
    list.length === 0
      ? h('p', { class: 'muted' }, 'Nothing has changed since this page was opened. Restarts, nodes that come and go, and snapshots will be listed here.')
      : h(
          'ol',
          { class: 'changes' },
          list.map((c) => h('li', { key: c.number }, time(c.at), badge(c.level, ''), c.link ? h('a', { href: c.link }, h('bdi', null, c.text)) : h('bdi', null, c.text))),
        ),
  );
}
