// One trace over all nodes: who set off what, when, how long it waited and how long it was handled.

import { get } from '../api.js';
import { h } from '../dom.js';
import { micros, now, plural, time } from '../format.js';
import { badge, clipped, empty, facts, notice, table, trouble } from '../widgets.js';
import { linkTo } from './actors.js';
import { isBad, outcomeBadge } from './actor_panel.js';

const AGAIN_MS = 1000;
/** A trace so young may still grow on nodes that told nothing yet. */
const YOUNG_MS = 8000;
const COLOURS = 8;

export class TraceView {
  constructor(app, id) {
    Object.assign(this, { app, id, trace: null, error: null, open: new Set(), folded: new Set() });
    this.load();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  async load() {
    try {
      this.trace = await get(`/api/v2/traces/${encodeURIComponent(this.id)}`);
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    if (this.closed) return;
    this.app.draw();
    if (this.grows()) this.timer = setTimeout(() => this.load(), AGAIN_MS);
  }

  running() {
    return (this.trace?.spans ?? []).some((s) => s.outcome === 'running');
  }

  grows() {
    const spans = this.trace?.spans ?? [];
    const end = Math.max(0, ...spans.map((s) => (s.at_unix_us + (s.total_us ?? 0)) / 1000));
    return this.running() || (end > 0 && now() - end < YOUNG_MS);
  }

  render() {
    const back = h('p', { key: 'back' }, h('a', { href: '#/traces' }, '← All traces'));
    if (!this.trace) {
      if (!this.error) return [back, h('p', { key: 'loading', class: 'loading', role: 'status' }, 'Asking the nodes …')];
      return [back, this.error.status === 404 ? empty('This trace is not known any more.', 'Each node keeps its latest messages only; what is older is overwritten.') : trouble(this.error)];
    }
    const spans = this.trace.spans ?? [];
    if (spans.length === 0) return [back, empty('No node remembers a span of this trace.', 'Each node keeps its latest messages only; what is older is overwritten.')];
    const picture = layOut(spans);
    return [back, this.head(picture), this.missing(), this.chart(picture), this.asTable(picture)];
  }

  missing() {
    const nodes = this.trace.missing_nodes ?? [];
    if (nodes.length === 0) return null;
    return h('div', { key: 'missing' }, notice('warn', `${plural(nodes.length, 'node')} did not answer; spans of `, nodes.map((n, i) => [i ? ', ' : '', h('bdi', { class: 'data' }, n)]), ' may be missing.'));
  }

  head({ rows, begin, length, nodes }) {
    const root = rows[0].span;
    const failed = rows.filter((r) => isBad(r.span.outcome)).length;
    const labels = new Map();
    for (const { span } of rows) for (const [k, v] of span.labels ?? []) labels.set(`${k} ${v}`, [k, v]);
    return h(
      'div',
      { key: 'head', class: 'trace-head' },
      h('h2', null, h('bdi', null, root.name)),
      h(
        'p',
        { class: 'summary', role: 'status' },
        this.running() ? badge('busy', 'still running') : failed ? badge('bad', `${plural(failed, 'span')} failed`) : badge('ok', 'complete'),
        ` · ${micros(length)} · ${plural(rows.length, 'span')} on ${plural(nodes.length, 'node')} · began `,
        time(begin / 1000, { millis: true }),
      ),
      facts([['Trace', h('bdi', { class: 'data' }, this.trace.trace ?? this.id)], ...[...labels.values()].slice(0, 12).map(([k, v]) => [k, h('bdi', { class: 'data' }, String(v))])], 'facts trace-facts'),
      h('ul', { class: 'legend', 'aria-label': 'Nodes and their colours' }, nodes.map((n, i) => h('li', { key: n }, h('span', { class: `swatch node-${i % COLOURS}`, 'aria-hidden': 'true' }), h('bdi', { class: 'data' }, n))), h('li', { key: '', class: 'legend-note' }, h('span', { class: 'swatch waiting', 'aria-hidden': 'true' }), 'waiting', h('span', { class: 'swatch handling', 'aria-hidden': 'true' }), 'handling', h('span', { class: 'swatch answering', 'aria-hidden': 'true' }), 'until answered')),
    );
  }

  chart({ rows, begin, length, nodes }) {
    const visible = rows.filter((r) => !r.above.some((id) => this.folded.has(id)));
    const marks = ticks(length);
    return h(
      'div',
      { key: 'chart', class: 'waterfall', style: { '--tick': `${((marks[1] ?? length) / length) * 100}%` } },
      h('div', { class: 'wf-row wf-axis', 'aria-hidden': 'true' }, h('div', null, 'Message → actor'), h('div', { class: 'wf-lane' }, marks.map((t) => h('span', { class: 'wf-tick', style: { left: `${(t / length) * 100}%` } }, t === 0 ? '0' : micros(t)))), h('div', { class: 'wf-time' }, 'took')),
      h('ol', { class: 'wf-rows', 'aria-label': 'Spans in the order of cause' }, visible.map((row) => this.row(row, begin, length, nodes))),
    );
  }

  row({ span, depth, children }, begin, length, nodes) {
    const at = (us) => `${Math.min(100, Math.max(0, (us / length) * 100))}%`;
    const start = span.at_unix_us - begin;
    const [wait, handle] = [span.wait_us ?? 0, span.handle_us ?? 0];
    const total = Math.max(span.total_us ?? 0, wait + handle);
    const colour = `node-${nodes.indexOf(span.node) % COLOURS}`;
    const isOpen = this.open.has(span.span);
    const flip = (set) => () => {
      if (!set.delete(span.span)) set.add(span.span);
      this.app.draw();
    };
    const part = (kind, from, us) => (us > 0 ? h('span', { class: `wf-${kind} ${colour}`, style: { left: at(start + from), width: at(us) } }) : null);
    return h(
      'li',
      { key: span.span, class: isBad(span.outcome) ? 'bad-row' : null, 'data-span': span.span, 'data-node': span.node },
      h(
        'div',
        { class: 'wf-row' },
        h(
          'div',
          { class: 'wf-name', style: { '--level': String(Math.min(depth, 12)) } },
          children ? h('button', { type: 'button', class: 'twist', 'aria-expanded': String(!this.folded.has(span.span)), 'aria-label': `What ${span.name} set off`, onclick: flip(this.folded) }, this.folded.has(span.span) ? '▸' : '▾') : h('span', { class: 'twist leaf' }),
          h('button', { type: 'button', class: 'wf-open', 'aria-expanded': String(isOpen), onclick: flip(this.open) }, h('span', { class: `swatch ${colour}`, 'aria-hidden': 'true' }), h('bdi', { class: 'strong' }, span.name), h('span', { class: 'muted' }, ' → ', h('bdi', null, short(span.actor))), span.outcome === 'done' ? null : [' ', outcomeBadge(span.outcome)]),
        ),
        h('div', { class: 'wf-lane', 'aria-hidden': 'true' }, part('total', 0, total), part('wait', 0, wait), part('handle', wait, handle), total === 0 ? part('handle', 0, 1) : null),
        h('div', { class: 'wf-time number' }, micros(total)),
      ),
      isOpen ? details(span, start) : null,
    );
  }

  asTable({ rows, begin }) {
    const columns = [
      { label: 'Message', cell: ({ span, depth }) => [h('span', { class: 'muted', 'aria-hidden': 'true' }, '· '.repeat(depth)), h('bdi', null, span.name), h('span', { class: 'unseen' }, ` level ${depth + 1}`)] },
      { label: 'Node', cell: ({ span }) => h('bdi', { class: 'data' }, span.node) },
      { label: 'Actor', cell: ({ span }) => h('bdi', { class: 'data' }, span.actor) },
      { label: 'After', numeric: true, cell: ({ span }) => micros(span.at_unix_us - begin) },
      { label: 'Wait', numeric: true, cell: ({ span }) => micros(span.wait_us) },
      { label: 'Handle', numeric: true, cell: ({ span }) => micros(span.handle_us) },
      { label: 'Answered in', numeric: true, cell: ({ span }) => micros(span.total_us) },
      { label: 'Outcome', cell: ({ span }) => outcomeBadge(span.outcome) },
    ];
    return h('details', { key: 'table', class: 'as-table' }, h('summary', null, 'The same as a table'), table({ caption: 'Spans of this trace', columns, rows, key: ({ span }) => span.span }));
  }
}

function details(span, start) {
  const labels = (span.labels ?? []).map(([k, v]) => [k, h('bdi', { class: 'data' }, String(v))]);
  return h(
    'div',
    { class: 'wf-details' },
    facts([
      ['Node', h('bdi', { class: 'data' }, span.node)],
      ['Actor', h('a', { href: linkTo(span.node, span.actor) }, h('bdi', null, span.actor))],
      ['Kind', clipped(span.kind ?? 'message', 40)],
      ['Began after', micros(start)],
      ['Waited', micros(span.wait_us)],
      ['Handled', micros(span.handle_us)],
      ['Answered in', micros(span.total_us)],
      ['Outcome', outcomeBadge(span.outcome)],
      ...labels,
    ]),
  );
}

/** The last part of an actor's path. */
function short(actor) {
  return String(actor ?? '').split('/').at(-1);
}

/** Spans in the order of cause: children after their parent, by time. A span whose parent is not known is a root. */
export function layOut(spans) {
  const known = new Map(spans.map((s) => [s.span, s]));
  const below = new Map();
  const roots = [];
  for (const span of spans) {
    const parent = span.parent !== span.span && known.has(span.parent) ? span.parent : null;
    if (parent === null) roots.push(span);
    else below.set(parent, [...(below.get(parent) ?? []), span]);
  }
  const byTime = (a, b) => a.at_unix_us - b.at_unix_us;
  const rows = [];
  const seen = new Set();
  const walk = (span, depth, above) => {
    if (seen.has(span.span)) return;
    seen.add(span.span);
    const children = (below.get(span.span) ?? []).sort(byTime);
    rows.push({ span, depth, above, children: children.length });
    for (const child of children) walk(child, depth + 1, [...above, span.span]);
  };
  for (const root of roots.sort(byTime)) walk(root, 0, []);
  // A circle of parents cannot be, and yet nothing that was told is left out.
  for (const span of spans) walk(span, 0, []);
  const begin = Math.min(...spans.map((s) => s.at_unix_us));
  const end = Math.max(...spans.map((s) => s.at_unix_us + Math.max(s.total_us ?? 0, (s.wait_us ?? 0) + (s.handle_us ?? 0))));
  const nodes = [...new Set(rows.map((r) => r.span.node))];
  return { rows, begin, length: Math.max(1, end - begin), nodes };
}

/** Five round moments at most. */
function ticks(length) {
  const rough = length / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const list = [];
  for (let t = 0; t < length * 0.97; t += step) list.push(t);
  return list;
}
