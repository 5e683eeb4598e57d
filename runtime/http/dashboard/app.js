// The shell: session, routes, navigation, the feed, and drawing. Pages are in pages/.

import * as api from './api.js';
import { Changes } from './changes.js';
import { h, render } from './dom.js';
import { Feed } from './live.js';
import { Rates } from './rates.js';
import { chrome } from './shell.js';
import { actors } from './pages/actors.js';
import { cluster } from './pages/cluster.js';
import { login } from './pages/login.js';
import { queries } from './pages/queries.js';
import { snapshots } from './pages/snapshots.js';
import { traces } from './pages/traces.js';

const PAGES = { cluster, actors, traces, snapshots, queries };
/** What the frame shows on every page. */
const ALWAYS = ['cluster', 'snapshots'];
const OF_COMPUTE_NODES = ['cluster', 'actors'];

const root = document.getElementById('app');
const app = {
  session: null,
  feed: null,
  changes: new Changes(),
  rates: new Rates(),
  /** What the node lets us do. */
  actions: [],
  route: null,
  page: null,
  draw,
  go(hash) {
    location.hash = hash;
  },
  signIn,
  signOut,
};

/** `#/traces/abc?job=1` is `{name: 'traces', rest: 'abc', query}`. */
function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name, ...rest] = path.split('/');
  const decoded = rest.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: Object.hasOwn(PAGES, name) ? name : 'cluster', rest: decoded.join('/'), query: new URLSearchParams(query) };
}

let waiting = false;

/** Draws soon, once, however often it is asked. */
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    paint();
  });
}

function paint() {
  if (!app.session) {
    document.title = 'Sign in · Starkeep';
    render(root, login(app));
    return;
  }
  if (!app.page) return;
  const { title } = PAGES[app.route.name];
  document.title = `${title} · Starkeep`;
  render(root, chrome(app, title, h('div', { key: app.route.name, class: 'page' }, app.page.render())));
  app.page.drawn?.();
}

function follow() {
  if (location.hash && !location.hash.startsWith('#/')) return;
  const before = app.route?.name;
  app.route = parse(location.hash);
  if (!app.session) return draw();
  if (before !== app.route.name || !app.page) {
    app.page?.close?.();
    app.page = PAGES[app.route.name].open(app);
    app.feed.listen([...ALWAYS.filter((topic) => app.feed.offers(topic)), ...PAGES[app.route.name].topics]);
  }
  app.page.route?.(app.route);
  draw();
  if (before && before !== app.route.name) focusHeading();
}

/** After a change of page the reading goes on at its heading. */
function focusHeading() {
  requestAnimationFrame(() => document.querySelector('h1')?.focus({ preventScroll: false }));
}

function begin(session) {
  app.session = session;
  app.feed = new Feed((topic, value) => {
    app.changes.see(topic, value);
    if (topic === 'actors') app.rates.see(value);
    draw();
  }, draw, session.role === 'cn' ? OF_COMPUTE_NODES : null);
  api.get('/api/v2/actions').then((actions) => {
    app.actions = Array.isArray(actions) ? actions : (actions.actions ?? []);
    draw();
  }, () => {});
  follow();
}

function end() {
  app.feed?.close();
  app.page?.close?.();
  Object.assign(app, { session: null, feed: null, page: null, actions: [], changes: new Changes(), rates: new Rates() });
  draw();
}

async function signIn(user, password) {
  const session = await api.login(user, password);
  if (!session) throw new api.ApiError(0, 'The browser did not keep the session: cookies are needed.');
  begin(session);
  focusHeading();
}

async function signOut() {
  await api.logout();
  end();
}

async function start() {
  api.whenSessionEnds(() => app.session && end());
  window.addEventListener('hashchange', follow);
  // Ages grow while nothing else happens.
  setInterval(() => app.session && !document.hidden && draw(), 1000);
  document.addEventListener('visibilitychange', () => document.hidden || draw());
  app.route = parse(location.hash);
  try {
    const session = await api.session();
    if (session) begin(session);
    else draw();
  } catch (error) {
    app.startError = error.message;
    draw();
  }
}

start();
