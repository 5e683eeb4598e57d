// The feed: server-sent events while it can, and words when it cannot. Keeps the newest of every topic.

import { get, session } from './api.js';
import { serverTime } from './format.js';

const PATHS = { cluster: '/api/v2/cluster', actors: '/api/v2/actors', snapshots: '/api/v2/snapshots', queries: '/api/v2/queries' };
/** Without any event for so long we ask whether the node is still there. */
const SILENCE_MS = 20_000;
const LONGEST_PAUSE_MS = 15_000;

export class Feed {
  /** `heard(topic, value)` for every piece of news, `changed()` when the state of the feed changed; `offered`: the
   * topics that the node has, null for all. */
  constructor(heard, changed, offered) {
    this.offered = offered;
    this.heard = heard;
    this.changed = changed;
    this.topics = [];
    this.data = {};
    this.errors = {};
    this.state = 'connecting';
    this.failures = 0;
    this.lastNews = Date.now();
    this.watch = setInterval(() => this.checkSilence(), 5_000);
  }

  offers(topic) {
    return !this.offered || this.offered.includes(topic);
  }

  /** Listens to exactly these topics. */
  listen(topics) {
    // What the node has not got is asked for once, so that it says why.
    const all = [...new Set(topics)].sort();
    const wanted = all.filter((topic) => this.offers(topic));
    for (const topic of all) if (!wanted.includes(topic)) this.load(topic);
    if (wanted.join() === this.topics.join() && this.source) return;
    this.topics = wanted;
    for (const topic of wanted) if (!this.data[topic]) this.load(topic);
    this.open();
  }

  close() {
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  /** Asks once: for the first picture, and for words about what is wrong. */
  async load(topic) {
    try {
      this.take(topic, await get(PATHS[topic]));
    } catch (error) {
      this.errors[topic] = error;
      this.changed();
    }
  }

  take(topic, value) {
    this.data[topic] = value;
    delete this.errors[topic];
    this.lastNews = Date.now();
    if (topic === 'cluster') serverTime(value.now_unix_ms);
    this.heard(topic, value);
  }

  open() {
    clearTimeout(this.retry);
    this.source?.close();
    const source = new EventSource(`/api/v2/live?topics=${this.topics.join(',')}`);
    this.source = source;
    source.onopen = () => {
      if (source !== this.source) return;
      this.failures = 0;
      this.lastNews = Date.now();
      this.become('live');
    };
    source.onerror = () => {
      if (source !== this.source) return;
      source.close();
      this.lost();
    };
    for (const topic of this.topics) {
      source.addEventListener(topic, (event) => {
        if (source !== this.source) return;
        try {
          this.take(topic, JSON.parse(event.data));
        } catch {
          // Half an event of a connection that broke: the next one is whole.
        }
      });
    }
  }

  lost() {
    this.source = null;
    this.become('reconnecting');
    const pause = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.failures);
    this.failures += 1;
    this.retry = setTimeout(() => {
      for (const topic of this.topics) this.load(topic);
      this.open();
    }, pause);
  }

  async checkSilence() {
    if (this.state !== 'live' || Date.now() - this.lastNews < SILENCE_MS) return;
    try {
      await session();
      this.lastNews = Date.now();
    } catch {
      if (this.state === 'live') {
        this.source?.close();
        this.lost();
      }
    }
  }

  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.changed();
  }
}
