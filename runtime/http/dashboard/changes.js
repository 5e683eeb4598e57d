// What changed while the page was open: nodes that went and came, leaders, restarts of actors, jobs.

import { now } from './format.js';

const KEPT = 100;

export class Changes {
  constructor() {
    this.list = [];
    this.before = {};
    this.number = 0;
  }

  /** `level`: ok, warn or bad. */
  add(level, text, link = null) {
    this.number += 1;
    this.list = [{ number: this.number, at: now(), level, text, link }, ...this.list].slice(0, KEPT);
  }

  /** News of a topic. */
  see(topic, value) {
    const before = this.before[topic];
    this.before[topic] = value;
    if (!before) return;
    if (topic === 'cluster') this.cluster(before, value);
    if (topic === 'actors') this.actors(before, value);
    if (topic === 'snapshots') this.jobs(before, value);
  }

  cluster(before, after) {
    if (after.leader && before.leader !== after.leader) this.add('warn', `${after.leader} leads now${before.leader ? `; before it was ${before.leader}` : ''}`);
    if (before.careful && !after.careful) this.add('ok', 'The restored cluster is no longer careful');
    this.nodes(before.frontends, after.frontends, 'Frontend', (n) => n.name, (n) => n.host ?? n.name);
    this.nodes(before.compute_nodes, after.compute_nodes, 'Compute node', (n) => n.id, (n) => `${n.host}:${n.heartbeat_port}`);
  }

  nodes(before = [], after = [], kind, id, name) {
    const known = new Map(before.map((n) => [id(n), n]));
    for (const node of after) {
      const old = known.get(id(node));
      known.delete(id(node));
      if (!old) {
        this.add('ok', `${kind} ${name(node)} joined`);
        continue;
      }
      if (old.alive && !node.alive) this.add('bad', `${kind} ${name(node)} is down${node.error ? `: ${node.error}` : ''}`);
      if (!old.alive && node.alive) this.add('ok', `${kind} ${name(node)} is alive`);
      if (old.start_time_ms && node.start_time_ms && old.start_time_ms !== node.start_time_ms) this.add('warn', `${kind} ${name(node)} has restarted`);
    }
    for (const gone of known.values()) this.add('warn', `${kind} ${name(gone)} was removed`);
  }

  actors(before, after) {
    const flat = (picture) => {
      const all = new Map();
      const walk = (node, actor) => {
        all.set(`${node} ${actor.path}`, { node, actor });
        actor.children.forEach((child) => walk(node, child));
      };
      for (const { node, tree } of picture.nodes ?? []) if (tree) walk(node, tree.root);
      return all;
    };
    const known = flat(before);
    for (const [key, { node, actor }] of flat(after)) {
      const old = known.get(key)?.actor;
      if (!old || actor.restarts <= old.restarts) continue;
      const reason = actor.restart_log.at(-1)?.reason;
      const link = `#/actors?node=${encodeURIComponent(node)}&path=${encodeURIComponent(actor.path)}`;
      this.add('warn', `${actor.name} on ${node} was restarted${reason ? `: ${reason}` : ''}`, link);
    }
  }

  jobs(before, after) {
    const known = new Map(before.jobs.map((j) => [j.id, j]));
    for (const job of after.jobs) {
      const old = known.get(job.id);
      if (old?.state === job.state) continue;
      const level = job.state === 'ERROR' ? 'bad' : 'ok';
      this.add(level, `Snapshot ${job.name}: ${job.state}${job.error ? `, ${job.error}` : ''}`, `#/snapshots/${encodeURIComponent(job.id)}`);
    }
  }
}
