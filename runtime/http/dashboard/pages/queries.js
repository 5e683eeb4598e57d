// What runs now, and what waits.

import { actionButtons, hasRowActions } from '../confirm.js';
import { h } from '../dom.js';
import { UNKNOWN, count, plural, span } from '../format.js';
import { awaited, badge, clipped, empty, section, table } from '../widgets.js';

/** Longer than this a statement is worth a look. */
const SLOW_SECONDS = 60;

export const queries = { title: 'Queries', topics: ['queries'], open: (app) => new QueriesPage(app) };

class QueriesPage {
  constructor(app) {
    this.app = app;
    this.news = null;
    this.newsAt = 0;
  }

  render() {
    const missing = awaited(this.app.feed, 'queries');
    if (missing) return missing;
    const news = this.app.feed.data.queries;
    // The feed is silent while nothing but time changes.
    if (news !== this.news) [this.news, this.newsAt] = [news, Date.now()];
    this.since = (Date.now() - this.newsAt) / 1000;
    const all = news.queries ?? [];
    const running = all.filter(isRunning).sort((a, b) => b.seconds - a.seconds);
    const idle = all.filter((q) => !isRunning(q)).sort((a, b) => a.seconds - b.seconds);
    const slow = running.filter((q) => q.seconds + this.since > SLOW_SECONDS).length;
    return [
      h('p', { key: 'summary', class: 'summary', role: 'status' }, badge(slow ? 'warn' : 'ok', running.length ? `${plural(running.length, 'statement')} running` : 'Nothing is running'), slow ? ` · ${count(slow)} for more than a minute` : '', ` · ${plural(all.length, 'session')}`),
      section('running', 'Running', null, this.list('Running statements', running, true, empty('No statement is running now.', 'This page follows by itself: a statement that runs for a second or more will be seen here.'))),
      section('idle', 'Idle sessions', idle.length ? count(idle.length) : null, this.list('Idle sessions', idle, false, h('p', { class: 'muted' }, 'There are none.'))),
    ];
  }

  list(caption, rows, running, none) {
    const columns = [
      { label: running ? 'Statement' : 'Last statement', cell: (q) => statement(q) },
      { label: running ? 'For' : 'Idle for', numeric: true, cell: (q) => (running && q.seconds + this.since > SLOW_SECONDS ? badge('warn', span(q.seconds + this.since)) : span(q.seconds + this.since)) },
      { label: 'State', cell: (q) => [q.command ?? UNKNOWN, q.state ? h('div', { class: 'sub' }, clipped(q.state, 60)) : null] },
      { label: 'User', cell: (q) => [clipped(q.user ?? UNKNOWN, 40), h('div', { class: 'sub' }, clipped(q.host ?? '', 60))] },
      { label: 'Database', cell: (q) => clipped(q.database || UNKNOWN, 40) },
      { label: 'Connection', numeric: true, cell: (q) => String(q.connection_id) },
      { label: running ? 'Trace' : 'Its trace', cell: (q) => (q.trace ? h('a', { href: `#/traces/${encodeURIComponent(q.trace)}`, 'aria-label': `Trace of connection ${q.connection_id}` }, 'trace') : UNKNOWN) },
      { label: 'Actions', cell: (q) => actionButtons(this.app, 'queries', q, `connection ${q.connection_id}`) },
    ].filter((c) => c.label !== 'Actions' || (running && hasRowActions(this.app, 'queries')));
    return table({ caption, columns, rows, key: (q) => q.connection_id, none });
  }
}

function isRunning(q) {
  return q.command !== 'Sleep';
}

function statement(q) {
  if (!q.statement) return h('span', { class: 'muted' }, 'none');
  const text = String(q.statement);
  const line = text.replace(/\s+/g, ' ').trim();
  if (line.length <= 120) return h('code', { class: 'sql' }, h('bdi', null, line));
  return h('details', { class: 'sql' }, h('summary', null, h('code', null, h('bdi', null, `${line.slice(0, 118)}…`))), h('pre', { tabindex: '0' }, h('bdi', null, text)));
}
