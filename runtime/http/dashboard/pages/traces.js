// Search for traces; one trace is shown by waterfall.js.

import { get } from '../api.js';
import { h } from '../dom.js';
import { count, micros, plural, time } from '../format.js';
import { badge, clipped, empty, notice, table, trouble } from '../widgets.js';
import { TraceView } from './waterfall.js';

const FIELDS = ['job', 'statement', 'actor', 'text', 'min_ms', 'errors', 'routine'];
const FOLLOW_MS = 3000;
const FIRST_LABELS = ['error', 'statement', 'job'];
const LIMIT = 100;

export const traces = { title: 'Traces', topics: [], open: (app) => new TracesPage(app) };

class TracesPage {
  constructor(app) {
    this.app = app;
    this.search = {};
    this.list = null;
    this.error = null;
    this.trace = null;
    this.following = true;
    this.timer = setInterval(() => this.following && !this.trace && !document.hidden && this.load(), FOLLOW_MS);
  }

  route({ rest, query }) {
    this.trace?.close();
    this.trace = rest ? new TraceView(this.app, rest) : null;
    if (rest) return;
    const search = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? '']));
    if (JSON.stringify(search) !== JSON.stringify(this.search)) [this.search, this.list] = [search, null];
    this.load();
  }

  close() {
    clearInterval(this.timer);
    this.trace?.close();
    this.closed = true;
  }

  async load() {
    const search = this.search;
    try {
      const answer = await get('/api/v2/traces', { ...search, routine: search.routine || search.actor ? '' : '0', limit: LIMIT });
      if (search !== this.search) return;
      [this.list, this.error] = [answer.traces ?? [], null];
    } catch (error) {
      if (search === this.search) this.error = error;
    }
    if (!this.closed) this.app.draw();
  }

  render() {
    if (this.trace) return this.trace.render();
    return [this.form(), h('div', { key: 'found' }, this.found())];
  }

  form() {
    const submit = (event) => {
      event.preventDefault();
      const fields = new FormData(event.currentTarget);
      const used = FIELDS.map((name) => [name, String(fields.get(name) ?? '').trim()]).filter(([, v]) => v);
      const query = new URLSearchParams(used).toString();
      const hash = query ? `#/traces?${query}` : '#/traces';
      if (location.hash === hash) this.load();
      else this.app.go(hash);
    };
    const s = this.search;
    const field = (name, label, hint, type = 'text') =>
      h('div', { class: 'field' }, h('label', { for: `f-${name}` }, label), h('input', { id: `f-${name}`, name, type, min: type === 'number' ? '0' : null, placeholder: hint, autocomplete: 'off', spellcheck: 'false', initial: { value: s[name] ?? '' } }));
    return h(
      'form',
      { key: `form ${JSON.stringify(s)}`, class: 'search', role: 'search', 'aria-label': 'Search traces', onsubmit: submit },
      field('job', 'Snapshot job', 'its number'),
      field('statement', 'Statement', 'INSERT INTO …'),
      field('actor', 'Actor', 'metadata_leader'),
      field('text', 'Anything', 'text of a label'),
      field('min_ms', 'At least, in ms', '0', 'number'),
      h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'errors', value: '1', initial: { checked: s.errors === '1' } }), 'failed only'),
      h('label', { class: 'check', title: 'Ticks, heartbeats, and what this page asks for. Those that failed are always shown.' }, h('input', { type: 'checkbox', name: 'routine', value: '1', initial: { checked: s.routine === '1' } }), 'routine too'),
      h('button', { type: 'submit', class: 'solid' }, 'Search'),
      FIELDS.some((name) => s[name]) ? h('a', { href: '#/traces' }, 'Clear') : null,
      h('label', { class: 'check follow' }, h('input', { type: 'checkbox', initial: { checked: this.following }, onchange: (event) => (this.following = event.currentTarget.checked) }), 'refresh every 3 s'),
    );
  }

  found() {
    if (!this.list) return this.error ? trouble(this.error) : h('p', { class: 'loading', role: 'status' }, 'Searching …');
    const searched = FIELDS.some((name) => name !== 'routine' && this.search[name]);
    const stale = this.error ? notice('warn', `This list is old: ${this.error.message}`) : null;
    if (this.list.length === 0) {
      return [stale, searched ? empty('No trace fits.', 'Each node keeps its latest traces only. Search with fewer words, or run the statement again.') : empty('No statement or job has left a trace yet.', 'A trace is the tree of messages that one cause set off: a statement, a tick, a snapshot job. Run a statement and it will be here.')];
    }
    const most = Math.max(1, ...this.list.map((t) => t.total_us ?? 0));
    const columns = [
      { label: 'Cause', cls: 'lead', cell: (t) => [h('a', { href: `#/traces/${encodeURIComponent(t.trace)}` }, h('bdi', null, t.root || 'unknown')), t.failed ? [' ', badge('bad', 'failed')] : null, labelsOf(t)] },
      { label: 'Began', cell: (t) => time(t.at_unix_us / 1000, { millis: true }) },
      { label: 'Took', numeric: true, cell: (t) => h('span', { class: 'metered' }, h('span', { class: 'meter plain', 'aria-hidden': 'true' }, h('span', { class: 'fill', style: { width: `${Math.max(1.5, ((t.total_us ?? 0) / most) * 100)}%` } })), h('span', { class: 'number' }, micros(t.total_us))) },
      { label: 'Spans', numeric: true, cell: (t) => count(t.spans) },
      { label: 'Nodes', cell: (t) => (t.nodes ?? []).map((n, i) => [i ? ', ' : '', h('bdi', { class: 'data' }, n)]) },
    ];
    return [
      stale,
      h('p', { class: 'muted', role: 'status' }, `${plural(this.list.length, 'trace')}${this.list.length >= LIMIT ? `, the newest ${LIMIT}` : ''}`),
      table({ caption: 'Traces, newest first', columns, rows: this.list, key: (t) => t.trace, rowClass: (t) => (t.failed ? 'bad-row' : null) }),
    ];
  }
}

function rank(key) {
  const at = FIRST_LABELS.indexOf(key);
  return at < 0 ? FIRST_LABELS.length : at;
}

function labelsOf(trace) {
  const all = trace.labels ?? [];
  const isStatement = all.some(([k]) => k === 'statement');
  // The statement says more than its number.
  const labels = all.filter(([k]) => !(isStatement && k === 'query')).sort(([a], [b]) => rank(a) - rank(b));
  return labels.length ? h('div', { class: 'sub labels' }, labels.slice(0, 4).map(([k, v]) => h('span', { key: `${k} ${v}` }, h('span', { class: 'label-name' }, h('bdi', null, k)), ' ', clipped(v, 110)))) : null;
}
