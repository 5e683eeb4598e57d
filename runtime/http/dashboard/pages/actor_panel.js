// One actor: observable state, mailbox, times, last messages, restarts, children.

import { get } from '../api.js';
import { h } from '../dom.js';
import { count, micros, plural, rate, span, time } from '../format.js';
import { badge, clipped, empty, facts, meter, notice, sparkline, table, value } from '../widgets.js';
import { linkTo, statusBadge } from './actors.js';

const BOUNDS = ['10 µs', '100 µs', '1 ms', '10 ms', '100 ms', '1 s', '10 s', 'longer'];
const MESSAGES_SHOWN = 256;
const ASK_EVERY_MS = 2000;

const OUTCOMES = { done: 'ok', running: 'busy', panicked: 'bad', failed: 'bad', lost: 'warn', expired: 'warn', refused: 'warn' };

export function outcomeBadge(outcome) {
  return badge(OUTCOMES[outcome] ?? 'idle', String(outcome ?? 'unknown'));
}

/** Whether an outcome is one that a person should see. */
export function isBad(outcome) {
  return OUTCOMES[outcome] === 'bad' || OUTCOMES[outcome] === 'warn';
}

export class ActorPanel {
  constructor(app, node, path) {
    Object.assign(this, { app, node, path, messages: null, error: null, asked: 0, seen: -1 });
  }

  close() {
    this.closed = true;
  }

  /** Asks for the last messages when there are new ones, and not too often. */
  async ask(actor) {
    const total = (actor.mailbox?.enqueued ?? 0) + (actor.mailbox?.handled ?? 0);
    if (!actor.mailbox || total === this.seen || Date.now() - this.asked < ASK_EVERY_MS) return;
    this.seen = total;
    this.asked = Date.now();
    try {
      const answer = await get('/api/v2/actors/messages', { node: this.node, path: this.path });
      [this.messages, this.error] = [answer.messages ?? [], null];
    } catch (error) {
      this.error = error;
    }
    if (!this.closed) this.app.draw();
  }

  render(nodes, back) {
    const entry = nodes.find((n) => n.node === this.node);
    const actor = entry?.tree ? find(entry.tree.root, this.path) : null;
    if (actor) this.ask(actor);
    const escape = (event) => event.key === 'Escape' && back();
    return h(
      'section',
      { key: `panel ${this.node} ${this.path}`, class: 'panel', 'aria-labelledby': 'panel-title', onkeydown: escape },
      h(
        'div',
        { class: 'panel-head' },
        h('div', null, h('h2', { id: 'panel-title' }, h('bdi', null, actor?.name ?? this.path)), h('p', { class: 'sub' }, h('bdi', { class: 'data' }, `${this.node} · ${this.path}`))),
        h('button', { type: 'button', class: 'quiet', onclick: back, 'aria-label': 'Close this actor' }, 'Close'),
      ),
      actor ? this.body(actor) : this.gone(entry),
    );
  }

  gone(entry) {
    if (!entry) return empty('This node does not belong to the cluster any more, or has not told about itself yet.');
    if (!entry.tree) return notice('bad', h('bdi', null, entry.error ?? 'This node does not answer.'));
    return empty('There is no such actor on this node now.');
  }

  body(actor) {
    const { rate: perSecond, history } = this.app.rates.of(this.node, this.path);
    return [
      h('p', { key: 'line', class: 'summary' }, statusBadge(actor.status), actor.kind === 'actor' ? [` · life ${count(actor.incarnation)} · `, actor.restarts ? badge('warn', plural(actor.restarts, 'restart')) : 'never restarted'] : ` · supervisor of ${plural(actor.children.length, 'child', 'children')}`),
      actor.restart_log?.length ? block('Restarts', restartList(actor)) : null,
      actor.kind === 'actor' ? block('State', actor.state === null ? h('p', { class: 'muted' }, 'It has not told its state yet.') : value(actor.state), actor.state_at_unix_ms ? ['told ', time(actor.state_at_unix_ms)] : null) : null,
      actor.mailbox ? block('Mailbox', mailbox(actor, perSecond, history)) : null,
      actor.mailbox ? block('Times', h('div', { class: 'histograms' }, histogram('Wait', actor.mailbox.wait, 'from taken in to handler entered'), histogram('Handle', actor.mailbox.handle, 'inside the handler'))) : null,
      actor.mailbox ? block('Last messages', this.lastMessages(actor), 'newest first') : null,
      actor.children.length ? block('Children', h('ul', { class: 'children' }, actor.children.map((c) => h('li', { key: c.path }, h('a', { href: linkTo(this.node, c.path) }, h('bdi', null, c.name)), ' ', statusBadge(c.status))))) : null,
    ];
  }

  lastMessages(actor) {
    const list = this.messages ?? actor.messages ?? [];
    if (list.length === 0) {
      if (this.error) return notice('warn', `The messages cannot be told: ${this.error.message}`);
      return h('p', { class: 'muted' }, this.messages || actor.mailbox.enqueued === 0 ? 'No message so far.' : 'Asking …');
    }
    const rows = list.slice(-MESSAGES_SHOWN).map((m, i) => ({ ...m, id: m.seq ?? `${m.at_unix_ms} ${m.trace} ${i}` })).reverse();
    const columns = [
      { label: 'Message', cell: (m) => clipped(m.name, 40) },
      { label: 'At', cell: (m) => time(m.at_unix_ms, { millis: true }) },
      { label: 'Wait', numeric: true, cell: (m) => micros(m.wait_us) },
      { label: 'Handle', numeric: true, cell: (m) => micros(m.handle_us) },
      { label: 'Outcome', cell: (m) => outcomeBadge(m.outcome) },
      { label: 'Trace', cell: (m) => (m.trace ? h('a', { href: `#/traces/${encodeURIComponent(m.trace)}`, 'aria-label': `Trace of ${m.name}, ${m.trace}` }, h('code', null, String(m.trace).slice(0, 8))) : null) },
    ];
    return h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Last messages' }, table({ caption: 'Last messages, newest first', columns, rows, key: (m) => m.id, rowClass: (m) => (isBad(m.outcome) ? 'bad-row' : null) }));
  }
}

function find(actor, path) {
  if (actor.path === path) return actor;
  for (const child of actor.children) {
    const found = find(child, path);
    if (found) return found;
  }
  return null;
}

function block(title, content, aside) {
  return h('div', { key: title, class: 'block' }, h('div', { class: 'section-head' }, h('h3', null, title), aside ? h('div', { class: 'section-aside' }, aside) : null), content);
}

function restartList(actor) {
  return h(
    'ol',
    { class: 'restarts' },
    [...actor.restart_log].reverse().map((r) => h('li', { key: `${r.at_unix_ms} ${r.reason}` }, time(r.at_unix_ms), ' ', h('bdi', { class: 'data' }, r.reason), h('span', { class: 'muted' }, ` rebuilt after ${span(r.backoff_ms / 1000) === '0 s' ? `${count(r.backoff_ms)} ms` : span(r.backoff_ms / 1000)}`))),
  );
}

function mailbox(actor, perSecond, history) {
  const box = actor.mailbox;
  const worry = (n) => (n > 0 ? badge('warn', count(n)) : '0');
  return [
    facts([
      ['Waiting', meter(box.depth, box.capacity, `${count(box.depth)} / ${count(box.capacity)}`, 'Messages waiting')],
      ['Peak', count(box.peak), 'The most that ever waited'],
      ['Rate', [rate(perSecond), ' ', sparkline(history, 'Messages per second over the last updates')]],
      ['Taken in', count(box.enqueued)],
      ['Handled', count(box.handled)],
      ['Failed', worry(box.failed), 'Handling panicked, failed or was cut off'],
      ['Refused', worry(box.refused), 'Turned away: the mailbox was full or closed'],
      ['Expired', worry(box.expired), 'Dropped unhandled: the sender had given up'],
    ]),
  ];
}

/** Bars of a distribution whose counts are cumulative. */
function histogram(title, timing, meaning) {
  const each = (timing.at_most ?? []).map((n, i, all) => n - (i ? all[i - 1] : 0));
  const most = Math.max(1, ...each);
  const words = each.map((n, i) => (n ? `${count(n)} ${i < 7 ? `up to ${BOUNDS[i]}` : 'longer than 10 s'}` : '')).filter(Boolean).join(', ') || 'none yet';
  return h(
    'div',
    { class: 'histogram' },
    h('p', { title: meaning }, h('strong', null, title), timing.count ? ` mean ${micros(timing.sum_us / timing.count)}, longest ${micros(timing.max_us)}` : ' none yet'),
    h(
      'div',
      { class: 'bars', role: 'img', 'aria-label': `${title} times: ${words}` },
      each.map((n, i) => h('div', { class: 'bar-column', title: `${count(n)} ${i < 7 ? `≤ ${BOUNDS[i]}` : '> 10 s'}` }, h('div', { class: 'bar', style: { height: `${n ? Math.max(4, (n / most) * 100) : 0}%` } }), h('span', { class: 'bar-label' }, h('span', null, BOUNDS[i] ?? '')))),
    ),
  );
}
