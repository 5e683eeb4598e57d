// Automated and manual snapshots: is the newest one young enough, what is running, what is kept and why.

import { actionButtons, hasRowActions } from '../confirm.js';
import { h } from '../dom.js';
import { UNKNOWN, ago, bytes, count, now, plural, span, time } from '../format.js';
import { awaited, badge, clipped, empty, facts, notice, section, table } from '../widgets.js';

const PATH = ['INITIALIZING', 'SNAPSHOTING', 'FINISHED', 'EXPIRED', 'DELETED'];
const LEVELS = { INITIALIZING: 'busy', SNAPSHOTING: 'busy', FINISHED: 'ok', EXPIRED: 'idle', DELETED: 'idle', ERROR: 'bad' };
/** So many jobs are shown before somebody asks for all. */
const SHOWN = 15;
/** Later than so many intervals the newest snapshot is late, and later than so many it is an emergency. */
const LATE = 2;
const TOO_LATE = 4;

export const snapshots = { title: 'Snapshots', topics: ['snapshots'], open: (app) => new SnapshotsPage(app) };

function intervalSeconds(s) {
  const policy = s?.policy;
  return policy?.interval_seconds ?? (policy?.interval_ms ? policy.interval_ms / 1000 : null);
}

function isOn(s) {
  return Boolean(s?.policy) && s.policy.enabled !== false;
}

/** As old as its cut, which is what a restore would lose. */
function ageSeconds(s) {
  const newest = s?.restorable;
  if (!newest) return null;
  const isTold = Number.isFinite(newest.age_ms) && Number.isFinite(s.now_unix_ms);
  return ago(isTold ? s.now_unix_ms - newest.age_ms : newest.finished_ms);
}

/** How bad it is, for the mark in the navigation and on the cluster page. */
export function snapshotLevel(s) {
  if (!s) return 'ok';
  const [age, interval] = [ageSeconds(s), intervalSeconds(s)];
  if (!isOn(s)) return 'warn';
  // The first one is on its way.
  if (age === null) return (s.jobs ?? []).some(isUnfinished) && !s.consecutive_failures ? 'warn' : 'bad';
  if (interval && age > interval * TOO_LATE) return 'bad';
  if ((interval && age > interval * LATE) || s.consecutive_failures > 0) return 'warn';
  return 'ok';
}

/** The age of the newest restorable snapshot in words. */
export function restorable(s) {
  const age = ageSeconds(s);
  return age === null ? 'none' : `${span(age)} old`;
}

function isUnfinished(job) {
  return job.state === 'INITIALIZING' || job.state === 'SNAPSHOTING';
}

class SnapshotsPage {
  constructor(app) {
    this.app = app;
    this.all = false;
    this.chosen = null;
  }

  route({ rest }) {
    this.chosen = rest || null;
  }

  render() {
    const missing = awaited(this.app.feed, 'snapshots');
    if (missing) return missing;
    const s = this.app.feed.data.snapshots;
    return [this.verdict(s), this.chosenJob(s), this.jobs(s), pins(s), garbage(s)];
  }

  verdict(s) {
    const level = snapshotLevel(s);
    const interval = intervalSeconds(s);
    const running = (s.jobs ?? []).find(isUnfinished);
    const next = s.next_ms ? (s.next_ms - now()) / 1000 : null;
    return h(
      'div',
      { key: 'verdict' },
      h('div', { class: `verdict ${level}` }, badge(level, title(s)), reasons(s).map((text) => h('p', { key: text }, h('bdi', null, text)))),
      facts(
        [
          ['Newest restorable', s.restorable ? [time(s.restorable.finished_ms), ' ', h('bdi', { class: 'data', title: s.restorable.name }, shortName(s.restorable.name))] : 'none'],
          ['Automation', isOn(s) ? `on, every ${span(interval)}` : 'off'],
          ['Next', running ? 'one is running' : !isOn(s) ? UNKNOWN : next === null ? UNKNOWN : next <= 0 ? 'now' : `in ${span(next)}`],
          ['Kept', isOn(s) ? clipped(retention(s.policy.retention), 60) : UNKNOWN],
          ['Storage volume', clipped(s.policy?.volume ?? s.policy?.storage_volume ?? UNKNOWN, 40)],
          ['Failures in a row', s.consecutive_failures > 0 ? badge('warn', count(s.consecutive_failures)) : '0'],
          ['Waiting to be deleted', s.gc ? `${plural(s.gc.backlog_files ?? 0, 'file')}, ${bytes(s.gc.backlog_bytes ?? 0)}` : UNKNOWN],
        ],
        'facts glance',
      ),
      h('p', { class: 'buttons' }, actionButtons(this.app, 'snapshots').filter((b) => b.key !== (isOn(s) ? 'snapshots_on' : 'snapshots_off')).sort((a, b) => (a.key === 'snapshots_off') - (b.key === 'snapshots_off'))),
    );
  }

  jobs(s) {
    const jobs = [...(s.jobs ?? [])].sort((a, b) => Number(b.id) - Number(a.id));
    const rows = this.all ? jobs : jobs.slice(0, SHOWN);
    const columns = [
      { label: 'Snapshot', cls: 'oneline', cell: (j) => [h('a', { href: `#/snapshots/${encodeURIComponent(j.id)}` }, h('bdi', { class: 'data' }, shortName(j.name))), h('div', { class: 'sub' }, `job ${j.id}, ${String(j.type ?? '').toLowerCase()}`)] },
      { label: 'State', cell: (j) => [stepper(j), progress(j)] },
      { label: 'Began', cell: (j) => time(j.created_ms) },
      { label: 'Took', numeric: true, cell: (j) => took(j) },
      { label: 'Revision', numeric: true, cell: (j) => count(j.cut) },
      { label: 'Size', numeric: true, cell: (j) => bytes(j.bytes) },
      { label: 'What happened', cell: (j) => h('a', { href: `#/traces?job=${encodeURIComponent(j.id)}`, 'aria-label': `Traces of ${j.name}` }, 'traces') },
      { label: 'Statements', cell: (j) => rowButtons(this.app, j) },
    ].filter((c) => c.label !== 'Statements' || hasRowActions(this.app, 'snapshots'));
    const none = empty('There has been no snapshot yet.', isOn(s) ? 'The first one begins at once.' : 'Turn them on:', isOn(s) ? '' : h('code', null, 'ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON'));
    const more = jobs.length > SHOWN ? h('p', { key: 'more' }, h('button', { type: 'button', class: 'quiet', onclick: () => ((this.all = !this.all), this.app.draw()) }, this.all ? `Show the newest ${SHOWN}` : `Show all ${jobs.length}`)) : null;
    return section('jobs', 'Jobs', jobs.length ? plural(jobs.length, 'job') : null, table({ caption: 'Snapshot jobs, newest first', columns, rows, key: (j) => j.id, rowClass: (j) => (j.state === 'ERROR' ? 'bad-row' : null), none }), more);
  }

  chosenJob(s) {
    if (!this.chosen) return null;
    const job = (s.jobs ?? []).find((j) => String(j.id) === this.chosen || j.name === this.chosen);
    const close = h('a', { href: '#/snapshots' }, 'Close');
    if (!job) return section('job', 'This job is not known any more', close, h('p', { class: 'muted' }, 'Only the latest jobs are kept.'));
    return section(
      'job',
      h('bdi', null, job.name),
      close,
      h('div', { class: 'job' }, stepper(job, true), progress(job), job.error ? notice('bad', h('bdi', { class: 'data' }, job.error)) : null),
      facts([
        ['Job', String(job.id)],
        ['Type', String(job.type ?? UNKNOWN).toLowerCase()],
        ['Began', time(job.created_ms)],
        ['Finished', time(job.finished_ms)],
        ['Revision of the cut', count(job.cut)],
        job.cuts?.length > 1 ? ['All cuts', job.cuts.map(count).join(', ')] : null,
        ['Size', bytes(job.bytes)],
        ['Storage volume', clipped(job.volume ?? UNKNOWN, 60)],
        ['Path', h('bdi', { class: 'data' }, job.path || UNKNOWN), null, 'wide'],
        job.detail ? ['Detail', h('bdi', { class: 'data' }, job.detail)] : null,
      ]),
      h('p', { class: 'buttons' }, h('a', { class: 'button', href: `#/traces?job=${encodeURIComponent(job.id)}` }, 'Show its traces'), rowButtons(this.app, job)),
    );
  }
}

function rowButtons(app, job) {
  return actionButtons(app, 'snapshots', job, job.name).filter((b) => {
    const action = b.props['data-action'];
    if (/cancel/.test(action)) return isUnfinished(job);
    if (/verify|drop|restore/.test(action)) return job.state === 'FINISHED';
    return true;
  });
}

/** The part of an automated name that differs. */
function shortName(name) {
  return String(name ?? '').replace(/^automated_cluster_snapshot_/, 'automated …');
}

function took(job) {
  if (isUnfinished(job)) return h('span', null, span(ago(job.created_ms)), ' so far');
  const end = job.finished_ms ?? job.history?.find((e) => e.state === 'FINISHED' || e.state === 'ERROR')?.at_ms;
  if (!end || !job.created_ms) return UNKNOWN;
  const ms = end - job.created_ms;
  return ms < 1000 ? `${Math.max(0, ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : span(ms / 1000);
}

/** The states a job went through, and those still before it. */
function stepper(job, large = false) {
  const history = new Map((job.history ?? []).map((entry) => [entry.state, entry]));
  const isError = job.state === 'ERROR';
  const reached = isError ? Math.max(0, ...PATH.map((state, i) => (history.has(state) ? i : 0))) : PATH.indexOf(job.state);
  const steps = isError ? [...PATH.slice(0, reached + 1), 'ERROR'] : large || reached > 2 ? PATH : PATH.slice(0, 3);
  const words = `${job.state}: ${steps.map((state) => `${state}${history.get(state)?.at_ms ? ` at ${new Date(history.get(state).at_ms).toISOString()}` : ''}`).join(', ')}`;
  return h(
    'div',
    { class: large ? 'stepper large' : 'stepper' },
    badge(LEVELS[job.state] ?? 'idle', job.state),
    h(
      'ol',
      { 'aria-label': words },
      steps.map((state, i) => {
        const entry = history.get(state);
        const kind = state === 'ERROR' ? 'bad' : state === job.state ? 'current' : isError || i < reached ? 'past' : 'future';
        return h('li', { key: state, class: kind, title: entry?.at_ms ? `${state} ${new Date(entry.at_ms).toISOString()}${entry.revision ? `, revision ${entry.revision}` : ''}` : state, 'aria-current': state === job.state ? 'step' : null }, h('span', { class: 'step-dot', 'aria-hidden': 'true' }), h('span', { class: large ? 'step-name' : 'unseen' }, state), large ? h('span', { class: 'step-time' }, entry?.at_ms ? [time(entry.at_ms), entry.revision ? ` · rev ${count(entry.revision)}` : ''] : UNKNOWN) : null);
      }),
    ),
  );
}

/** `uploading 3/12 sections, 14 of 40 MiB` as a bar; anything else in words. */
function progress(job) {
  if (job.state === 'ERROR' && job.error) return h('div', { class: 'sub bad-text' }, clipped(job.error, 200));
  if (!isUnfinished(job) || !job.detail) return null;
  const found = /(\d+)\s*\/\s*(\d+) sections?/.exec(job.detail) ?? /(\d+) of (\d+)/.exec(job.detail);
  const [done, all] = found ? [Number(found[1]), Number(found[2])] : [0, 0];
  return h('div', { class: 'progress' }, all > 0 ? h('progress', { max: all, value: done, 'aria-label': `Progress of ${job.name}` }) : null, h('span', { class: 'sub' }, clipped(job.detail, 120)));
}

function title(s) {
  const age = ageSeconds(s);
  if (!isOn(s)) return age === null ? 'Automated snapshots are off' : `Automated snapshots are off; the newest snapshot is ${span(age)} old`;
  if (age === null) return (s.jobs ?? []).some(isUnfinished) && !s.consecutive_failures ? 'The first snapshot is being taken' : 'There is nothing to restore from';
  return `The newest restorable snapshot is ${span(age)} old`;
}

function reasons(s) {
  const [age, interval, found] = [ageSeconds(s), intervalSeconds(s), []];
  if (!isOn(s)) found.push('If the cluster is lost now, what is not in a snapshot is lost with it. ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON turns them on.');
  else if (age !== null && interval && age > interval * LATE) found.push(`One was asked for every ${span(interval)}: it is ${(age / interval).toFixed(1)} intervals old.`);
  if (s.consecutive_failures > 0) {
    const last = [...(s.jobs ?? [])].filter((j) => j.state === 'ERROR').sort((a, b) => Number(b.id) - Number(a.id))[0];
    found.push(`The last ${plural(s.consecutive_failures, 'job')} failed${last?.error ? `: ${last.error}` : '.'}`);
  }
  if (found.length === 0 && age !== null) found.push(`A restore would lose at most what came after it. One is taken every ${span(interval)}.`);
  return found;
}

function retention(rules) {
  const all = Object.entries(rules ?? {}).map(([rule, value]) => (rule === 'retention' ? `the newest ${value}` : `${rule.replace('retention_', '')} ${value}`));
  return all.length ? all.join(', ') : UNKNOWN;
}

function pins(s) {
  const rows = s.pins ?? [];
  const columns = [
    { label: 'Revision', numeric: true, cell: (p) => count(p.revision) },
    { label: 'Why', cell: (p) => clipped(p.reason, 160) },
    { label: 'Job', cell: (p) => (p.job === null || p.job === undefined ? UNKNOWN : h('a', { href: `#/snapshots/${encodeURIComponent(p.job)}` }, h('bdi', null, shortName(p.job)))) },
    { label: 'Files kept for it', numeric: true, cell: (p) => count(p.files) },
    { label: 'Size', numeric: true, cell: (p) => bytes(p.bytes) },
    { label: 'Only for it', numeric: true, cell: (p) => (p.only_files === undefined ? UNKNOWN : `${count(p.only_files)}, ${bytes(p.only_bytes)}`) },
  ];
  const none = empty('Nothing is pinned.', 'Files that no table names any more are kept as long as a snapshot needs them; those snapshots would be listed here.');
  return section('pins', 'What is kept, and why', rows.length ? plural(rows.length, 'pin') : null, table({ caption: 'Pinned revisions', columns, rows, key: (p) => `${p.revision} ${p.reason} ${p.job}`, none }));
}

function garbage(s) {
  if (!s.gc) return null;
  return section(
    'gc',
    'Garbage',
    null,
    facts([
      ['Files to delete', count(s.gc.backlog_files), 'Files that nothing names and nothing pins'],
      ['Their size', bytes(s.gc.backlog_bytes)],
      ['Condemned', count(s.gc.condemned_files), 'Being deleted now; they cannot be named any more'],
      s.gc.last_error ? ['Last error', h('span', { class: 'bad-text' }, clipped(s.gc.last_error, 300)), null, 'wide'] : null,
    ], 'facts glance'),
  );
}
