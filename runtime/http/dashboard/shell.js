// The frame around every page: navigation, the mark of the feed, who is signed in.

import { h } from './dom.js';
import { span } from './format.js';
import { clusterLevel } from './pages/cluster.js';
import { snapshotLevel } from './pages/snapshots.js';
import { dialog } from './confirm.js';

const LINKS = [
  ['cluster', 'Cluster'],
  ['actors', 'Actors'],
  ['traces', 'Traces'],
  ['snapshots', 'Snapshots'],
  ['queries', 'Queries'],
];

const FEED = { connecting: ['busy', 'connecting'], live: ['ok', 'live'], reconnecting: ['bad', 'reconnecting'] };

export function chrome(app, title, page) {
  return [
    h('a', { key: 'skip', class: 'skip', href: '#content', onclick: skip }, 'Skip to the content'),
    h(
      'header',
      { key: 'head', class: 'head' },
      h('a', { class: 'brand', href: '#/cluster', 'aria-label': 'Starkeep, to the cluster' }, mark(), h('span', { class: 'brand-name' }, 'Starkeep')),
      h('nav', { class: 'nav', 'aria-label': 'Pages' }, h('ul', null, linksFor(app).map(([name, label]) => link(app, name, label)))),
      h('div', { class: 'tools' }, liveMark(app.feed), themeButton(app), account(app)),
    ),
    h(
      'main',
      { key: 'main', id: 'content', tabindex: '-1' },
      h('h1', { tabindex: '-1', class: 'page-title' }, title),
      lostNotice(app.feed),
      page,
    ),
    h(
      'footer',
      { key: 'foot', class: 'foot' },
      h('span', null, 'Node ', h('bdi', { class: 'data' }, app.session.node ?? 'unknown'), app.session.role ? ` (${app.session.role})` : ''),
      h('span', null, 'Cluster ', h('bdi', { class: 'data' }, String(app.session.cluster_id ?? 'unknown'))),
      h('span', null, 'Starkeep ', h('bdi', { class: 'data' }, app.session.version ?? '')),
      h('span', null, 'Times are local; point at one for UTC.'),
    ),
    dialog(app),
  ];
}

/** A compute node knows nothing of snapshots and statements. */
function linksFor(app) {
  return app.session.role === 'cn' ? LINKS.filter(([name]) => name !== 'snapshots' && name !== 'queries') : LINKS;
}

function skip(event) {
  event.preventDefault();
  document.getElementById('content').focus();
}

function mark() {
  return h('img', { class: 'mark', src: '/dashboard/icon.svg', alt: '', width: 20, height: 20 });
}

function link(app, name, label) {
  const level = name === 'cluster' ? clusterLevel(app.feed.data.cluster) : name === 'snapshots' ? snapshotLevel(app.feed.data.snapshots) : 'ok';
  const words = { warn: 'needs a look', bad: 'needs you' }[level];
  return h(
    'li',
    { key: name },
    h('a', { href: `#/${name}`, 'aria-current': app.route.name === name ? 'page' : null }, label, words ? h('span', { class: `dot ${level}`, title: words }, h('span', { class: 'unseen' }, ` (${words})`)) : null),
  );
}

function liveMark(feed) {
  const [level, word] = FEED[feed.state];
  const quiet = Math.floor((Date.now() - feed.lastNews) / 1000);
  return h('span', { class: `live ${level}`, role: 'status', title: `Last news ${span(quiet)} ago` }, h('span', { class: 'pulse', 'aria-hidden': 'true' }), word);
}

function lostNotice(feed) {
  if (feed.state !== 'reconnecting' || feed.failures < 2) return null;
  const age = span((Date.now() - feed.lastNews) / 1000);
  return h('p', { key: 'lost', class: 'notice warn' }, h('span', { class: 'sign', 'aria-hidden': 'true' }, '▲'), h('span', null, `No connection to this node. What you see is ${age} old; it is tried again.`));
}

function themeButton(app) {
  const current = window.starkeepTheme.current();
  const sign = { system: '◐', light: '☼', dark: '☾' }[current];
  return h(
    'button',
    { type: 'button', class: 'quiet', id: 'theme', title: `Theme: ${current}`, 'aria-label': `Theme: ${current}. Change`, onclick: () => (window.starkeepTheme.next(), app.draw()) },
    h('span', { 'aria-hidden': 'true' }, sign),
  );
}

function account(app) {
  return h('button', { type: 'button', class: 'quiet', id: 'sign-out', title: `Signed in as ${app.session.user}`, onclick: () => app.signOut() }, 'Sign out', h('span', { class: 'unseen' }, ` ${app.session.user}`));
}
