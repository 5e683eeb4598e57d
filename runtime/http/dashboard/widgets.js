// Small things that all pages show alike.

import { h } from './dom.js';
import { count } from './format.js';

const SIGNS = { ok: '●', warn: '▲', bad: '✖', idle: '○', busy: '◐' };

/** A state as sign and word: never by colour alone. */
export function badge(level, text, title) {
  return h('span', { class: `badge ${level}`, title }, h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[level] ?? '●'), h('span', { class: 'word' }, text));
}

/** How full something is. `text` says it in words; `of` has its two numbers, of which a small screen shows one. */
export function meter(value, limit, text, label, of = null) {
  const share = limit > 0 && value !== null && value !== undefined ? Math.min(1, value / limit) : 0;
  const level = share >= 0.85 ? 'bad' : share >= 0.6 ? 'warn' : 'ok';
  return h(
    'span',
    { class: 'metered' },
    h(
      'span',
      { class: `meter ${level}`, role: 'meter', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': limit ?? 0, 'aria-valuenow': value ?? 0, 'aria-valuetext': text },
      h('span', { class: 'fill', style: { width: `${share > 0 ? Math.max(2, share * 100) : 0}%` } }),
    ),
    h('span', { class: 'number' }, of ? [of[0], h('span', { class: 'of' }, ` / ${of[1]}`)] : text),
  );
}

/** A line of the last values. */
export function sparkline(values, label) {
  const [width, height] = [72, 16];
  const top = Math.max(...values, 0.000001);
  const step = width / 59;
  const start = width - (values.length - 1) * step;
  const points = values.map((v, i) => `${(start + i * step).toFixed(1)},${(height - 1 - (v / top) * (height - 3)).toFixed(1)}`).join(' ');
  return h(
    'svg',
    { class: 'sparkline', viewBox: `0 0 ${width} ${height}`, width, height, role: label ? 'img' : null, 'aria-label': label, 'aria-hidden': label ? null : 'true' },
    values.length > 1 ? h('polyline', { points, fill: 'none' }) : null,
  );
}

/** What stands where there is nothing yet, and why. */
export function empty(title, ...words) {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), words.map((w) => h('p', null, w)));
}

/** A message in words. */
export function notice(level, ...content) {
  return h('div', { class: `notice ${level}`, role: level === 'bad' ? 'alert' : null }, h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[level]), h('div', null, content));
}

/** An error of a topic in words. */
export function trouble(error) {
  if (error.status === 404) {
    return empty('This node does not offer this page.', 'A compute node shows its own actors only. Open the dashboard of a frontend (port 8030 unless configured otherwise) for the rest.');
  }
  return notice('bad', error.message);
}

/** While the first picture is on its way, or the error instead of it; null when there is something to show. */
export function awaited(feed, topic) {
  if (feed.data[topic]) return null;
  return feed.errors[topic] ? trouble(feed.errors[topic]) : h('p', { class: 'loading', role: 'status' }, 'Asking the node …');
}

/** A section with its heading. */
export function section(key, title, aside, ...content) {
  const id = `h-${key}`;
  return h('section', { key, class: 'section', 'aria-labelledby': id }, h('div', { class: 'section-head' }, h('h2', { id }, title), aside ? h('div', { class: 'section-aside' }, aside) : null), content);
}

/** Facts as term and value: `[[term, value, title?, class?]]`. */
export function facts(list, className = 'facts') {
  return h(
    'dl',
    { class: className },
    list.filter(Boolean).map(([term, value, title, cls]) => h('div', { key: term, title, class: cls }, h('dt', null, term), h('dd', null, value))),
  );
}

/** A table that turns into cards on a narrow screen; roles are given because the cards' styles take them away.
 * Columns: `{label, cell(row), numeric, cls}`. */
export function table({ caption, columns, rows, key, rowClass, none }) {
  if (rows.length === 0) return none ?? null;
  return h(
    'div',
    { class: 'table-frame' },
    h(
      'table',
      { role: 'table' },
      h('caption', { class: 'unseen' }, caption),
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((c) => h('th', { role: 'columnheader', scope: 'col', class: cellClass(c) }, c.label)))),
      h(
        'tbody',
        { role: 'rowgroup' },
        rows.map((row) =>
          h(
            'tr',
            { role: 'row', key: key(row), class: rowClass?.(row) },
            columns.map((c, i) => h(i === 0 ? 'th' : 'td', { role: i === 0 ? 'rowheader' : 'cell', scope: i === 0 ? 'row' : null, class: cellClass(c), 'data-label': c.label }, h('div', { class: 'cell' }, c.cell(row)))),
          ),
        ),
      ),
    ),
  );
}

function cellClass(column) {
  return [column.numeric ? 'numeric' : '', column.cls ?? ''].join(' ').trim() || null;
}

/** Text of others, cut to a line; the whole is in the title. */
export function clipped(text, most = 120) {
  const line = String(text ?? '').replace(/\s+/g, ' ').trim();
  const cut = line.length > most ? `${line.slice(0, most - 1)}…` : line;
  return h('bdi', { class: 'data', title: cut === line ? null : String(text).slice(0, 4000) }, cut);
}

/** JSON as nested lists. */
export function value(json, depth = 0) {
  if (json === null || json === undefined) return h('span', { class: 'nothing' }, 'none');
  if (typeof json === 'number') return h('span', { class: 'number' }, Number.isInteger(json) && Math.abs(json) < 1e12 ? count(json) : String(json));
  if (typeof json === 'boolean') return h('span', { class: 'number' }, json ? 'yes' : 'no');
  if (typeof json === 'string') return json === '' ? h('span', { class: 'nothing' }, 'empty') : h('bdi', { class: 'data' }, json);
  const isList = Array.isArray(json);
  const entries = isList ? json.map((v, i) => [String(i + 1), v]) : Object.entries(json);
  if (entries.length === 0) return h('span', { class: 'nothing' }, 'none');
  if (isList && json.every((v) => v === null || typeof v !== 'object')) return h('ul', { class: 'plain-list' }, json.map((v) => h('li', null, value(v, depth + 1))));
  const shown = entries.slice(0, 100);
  return h(
    'dl',
    { class: depth === 0 ? 'json top' : 'json' },
    shown.map(([k, v]) => h('div', { key: k }, h('dt', null, h('bdi', null, isList ? k : k.replaceAll('_', ' '))), h('dd', null, value(v, depth + 1)))),
    entries.length > shown.length ? h('div', { key: '' }, h('dt', null, '…'), h('dd', null, `${count(entries.length - shown.length)} more`)) : null,
  );
}
