// The supervision tree of every node, live; an actor that is chosen is shown beside it.

import { h } from '../dom.js';
import { ago, count, micros, plural, rate } from '../format.js';
import { keyOf } from '../rates.js';
import { flatten, onKey, rowProps } from '../treegrid.js';
import { awaited, badge, clipped, empty, meter, sparkline } from '../widgets.js';
import { ActorPanel } from './actor_panel.js';

/** A restart is a warning for so long. */
const RECENT_SECONDS = 3600;

const LEVELS = { running: 'ok', starting: 'busy', restarting: 'warn', stopping: 'busy', stopped: 'idle', failed: 'bad' };

export const actors = { title: 'Actors', topics: ['actors'], open: (app) => new ActorsPage(app) };

export function statusBadge(status) {
  return badge(LEVELS[status] ?? 'idle', status);
}

class ActorsPage {
  constructor(app) {
    this.app = app;
    this.closed = new Set();
    this.current = null;
    this.selected = null;
    this.panel = null;
    this.focusSoon = false;
  }

  route({ query }) {
    const [node, path] = [query.get('node'), query.get('path')];
    this.panel?.close();
    this.selected = node && path ? keyOf(node, path) : null;
    this.panel = this.selected ? new ActorPanel(this.app, node, path) : null;
    if (this.selected) this.current = this.selected;
  }

  close() {
    this.panel?.close();
  }

  render() {
    const missing = awaited(this.app.feed, 'actors');
    if (missing) return missing;
    const nodes = this.app.feed.data.actors.nodes ?? [];
    if (nodes.length === 0) return empty('No node has told about its actors yet.');
    const roots = nodes.map(rootOf);
    const isOpen = (item) => !this.closed.has(item.id);
    const rows = flatten(roots, isOpen);
    if (!rows.some((row) => row.item.id === this.current)) this.current = rows[0].item.id;
    return [
      h('p', { key: 'summary', class: 'summary' }, summary(nodes, roots)),
      h('div', { key: 'split', class: this.panel ? 'split chosen' : 'split' }, this.tree(roots, rows, isOpen), this.panel?.render(nodes, () => this.app.go('#/actors'))),
    ];
  }

  drawn() {
    if (!this.focusSoon) return;
    this.focusSoon = false;
    this.row(this.current)?.focus();
  }

  row(id) {
    return [...document.querySelectorAll('.tree [data-id]')].find((row) => row.dataset.id === id);
  }

  tree(roots, rows, isOpen) {
    const move = (id) => {
      this.current = id;
      this.focusSoon = true;
      this.app.draw();
    };
    const toggle = (item, open) => {
      if (open) this.closed.delete(item.id);
      else this.closed.add(item.id);
      this.app.draw();
    };
    const choose = (item) => {
      this.current = item.id;
      if (item.actor) this.app.go(linkTo(item.node, item.actor.path));
      else toggle(item, !isOpen(item));
    };
    const keys = (event) => {
      if (event.key === 'Escape' && this.panel) {
        this.focusSoon = true;
        this.app.go('#/actors');
        // The rows as they are after the last key, which may not be drawn yet.
      } else if (onKey(event, flatten(roots, isOpen), this.current, { isOpen, move, toggle, choose })) event.preventDefault();
    };
    const seen = { isOpen, current: this.current, selected: this.selected };
    const head = [['Actor', ''], ['State', 'sign-only'], ['Waiting', ''], ['Handled', 'numeric hide-small'], ['Last minute', 'hide-narrow hide-split'], ['Wait', 'numeric hide-narrow hide-split'], ['Handle', 'numeric hide-narrow hide-split'], ['Restarts', 'numeric']];
    return h(
      'div',
      { key: 'tree', class: 'tree-frame' },
      h(
        'table',
        { class: 'tree', role: 'treegrid', 'aria-label': 'Actors of all nodes', onkeydown: keys },
        h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, head.map(([label, cls]) => h('th', { role: 'columnheader', scope: 'col', class: cls || null }, label)))),
        h('tbody', { role: 'rowgroup' }, rows.map((row) => this.line(row, seen, { toggle, choose }))),
      ),
    );
  }

  line(row, seen, { toggle, choose }) {
    const { item, level } = row;
    const props = rowProps(row, seen);
    const cells = item.actor ? this.actorCells(item) : nodeCells(item);
    const twist = (event) => {
      event.stopPropagation();
      toggle(item, !seen.isOpen(item));
    };
    const name = h(
      'td',
      { role: 'gridcell', class: 'tree-name', style: { '--level': String(level - 1) } },
      h('span', { class: item.children.length ? 'twist' : 'twist leaf', 'aria-hidden': 'true', onclick: item.children.length ? twist : null }, item.children.length ? (seen.isOpen(item) ? '▾' : '▸') : ''),
      h('bdi', { class: item.actor?.kind === 'actor' ? 'data' : 'data strong' }, item.label),
    );
    return h('tr', { ...props, class: [item.actor ? '' : 'node-row', item.id === seen.selected ? 'chosen' : ''].join(' ').trim() || null, onclick: () => choose(item) }, name, cells);
  }

  actorCells(item) {
    const { actor, node } = item;
    const { rate: perSecond, history } = this.app.rates.of(node, actor.path);
    const box = actor.mailbox;
    const cell = (cls, ...content) => h('td', { role: 'gridcell', class: cls || null }, content);
    if (!box) {
      return [cell('', statusBadge(actor.status)), cell('muted', actor.children.length ? plural(actor.children.length, 'child', 'children') : 'no children'), cell('numeric hide-small'), cell('hide-narrow hide-split'), cell('numeric hide-narrow hide-split'), cell('numeric hide-narrow hide-split'), cell('numeric', restarts(actor))];
    }
    return [
      cell('', statusBadge(actor.status)),
      cell('', meter(box.depth, box.capacity, `${count(box.depth)} / ${count(box.capacity)}`, `Messages waiting for ${actor.name}`, [count(box.depth), count(box.capacity)])),
      cell('numeric hide-small', rate(perSecond)),
      cell('hide-narrow hide-split', sparkline(history)),
      cell('numeric hide-narrow hide-split', micros(mean(box.wait))),
      cell('numeric hide-narrow hide-split', micros(mean(box.handle))),
      cell('numeric', restarts(actor)),
    ];
  }
}

function mean(timing) {
  return timing.count ? timing.sum_us / timing.count : null;
}

function restarts(actor) {
  if (actor.restarts === 0) return '0';
  const last = actor.restart_log.at(-1);
  return badge(ago(last?.at_unix_ms) < RECENT_SECONDS ? 'warn' : 'idle', count(actor.restarts), last?.reason);
}

export function linkTo(node, path) {
  return `#/actors?node=${encodeURIComponent(node)}&path=${encodeURIComponent(path)}`;
}

/** A node with its actors as a root of the tree; the top supervisor is the node itself. */
function rootOf(entry) {
  const make = (actor) => ({ id: keyOf(entry.node, actor.path), label: actor.name, node: entry.node, actor, children: actor.children.map(make) });
  return { id: keyOf(entry.node, ''), label: entry.node, node: entry.node, entry, children: entry.tree ? entry.tree.root.children.map(make) : [] };
}

function nodeCells({ entry }) {
  const kind = entry.role === 'fe' ? 'frontend' : 'compute node';
  const failure = entry.tree?.failure;
  if (!entry.reachable || !entry.tree) {
    return [h('td', { role: 'gridcell' }, badge('bad', 'no answer')), h('td', { role: 'gridcell', colspan: 6, class: 'bad-text' }, clipped(entry.error ?? `This ${kind} did not answer.`, 200))];
  }
  return [
    h('td', { role: 'gridcell' }, failure ? badge('bad', 'gave up') : statusBadge(entry.tree.root.status)),
    h('td', { role: 'gridcell', colspan: 6, class: failure ? 'bad-text' : 'muted' }, failure ? clipped(failure, 200) : kind),
  ];
}

function each(items, f) {
  for (const item of items) {
    if (item.actor) f(item.actor);
    each(item.children, f);
  }
}

function summary(nodes, roots) {
  let [all, notRunning, restarted, waiting] = [0, 0, 0, 0];
  each(roots, (actor) => {
    if (actor.kind !== 'actor') return;
    all += 1;
    if (actor.status !== 'running') notRunning += 1;
    restarted += actor.restarts;
    waiting += actor.mailbox?.depth ?? 0;
  });
  const silent = nodes.filter((n) => !n.reachable).length;
  return [
    badge(notRunning || silent ? 'warn' : 'ok', `${plural(all, 'actor')} on ${plural(nodes.length, 'node')}`),
    notRunning ? ` · ${count(notRunning)} not running` : ' · all running',
    silent ? ` · ${plural(silent, 'node')} without an answer` : '',
    ` · ${plural(restarted, 'restart')} · ${plural(waiting, 'message')} waiting`,
  ];
}
