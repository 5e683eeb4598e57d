// What happened per second: from successive pictures of the actors.

const KEPT = 60;

export class Rates {
  constructor() {
    this.actors = new Map();
  }

  /** A new picture of all nodes. */
  see(picture) {
    const seen = new Set();
    for (const { node, tree } of picture.nodes ?? []) {
      if (tree) this.walk(node, tree.at_unix_ms, tree.root, seen);
    }
    for (const key of this.actors.keys()) if (!seen.has(key)) this.actors.delete(key);
  }

  walk(node, at, actor, seen) {
    const key = keyOf(node, actor.path);
    seen.add(key);
    if (actor.mailbox) this.note(key, at, actor.mailbox.handled + actor.mailbox.failed);
    for (const child of actor.children) this.walk(node, at, child, seen);
  }

  note(key, at, total) {
    const known = this.actors.get(key);
    if (!known || total < known.total || at < known.at) {
      this.actors.set(key, { at, total, rate: null, history: [] });
      return;
    }
    const elapsed = (at - known.at) / 1000;
    // The same picture twice says nothing; one that comes too early says little.
    if (elapsed < 0.2) return;
    known.rate = (total - known.total) / elapsed;
    known.history = [...known.history, known.rate].slice(-KEPT);
    known.at = at;
    known.total = total;
  }

  /** `{rate, history}`; the rate is null until there are two pictures. */
  of(node, path) {
    return this.actors.get(keyOf(node, path)) ?? { rate: null, history: [] };
  }
}

/** One name for an actor of a node. */
export function keyOf(node, path) {
  return `${node} ${path}`;
}
