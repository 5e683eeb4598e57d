// Buttons for statements: what is going to run is shown before it runs, and its answer after.

import { act } from './api.js';
import { h } from './dom.js';
import { notice, table } from './widgets.js';

/** The one dialog that may be open: `{action, parameters, state, answer, error, from}`. */
let open = null;

/** The placeholders of a statement: `{name}` or `<name>`. */
function placeholders(action) {
  return [...String(action.statement ?? '').matchAll(/\{(\w+)\}|<(\w+)>/g)].map((m) => m[1] ?? m[2]);
}

/** Whether the action makes something that the user has to name. */
function isNaming(action) {
  return /_now$|^create_/.test(action.action) && placeholders(action).length > 0;
}

/** Whether there are buttons for single rows of a page. */
export function hasRowActions(app, place) {
  return app.actions.some((a) => a.for === place && placeholders(a).length > 0 && !isNaming(a));
}

/** What the action needs, taken from a row; null when the row lacks it. */
function parametersOf(action, row) {
  const found = {};
  for (const name of placeholders(action)) {
    const known = row?.[name] ?? (name === 'id' ? (row?.connection_id ?? row?.id) : undefined);
    if (known === undefined || known === null) return null;
    found[name] = known;
  }
  return found;
}

/** As the server writes it: numbers as they are, names in backquotes. */
function quoted(value) {
  const text = String(value);
  return /^\d+$/.test(text) ? text : `\`${text.replaceAll('`', '``')}\``;
}

function filled(action, parameters) {
  return String(action.statement ?? action.label).replace(/\{(\w+)\}|<(\w+)>/g, (_, a, b) => quoted(parameters[a ?? b] ?? ''));
}

/** The buttons for a page (`row` absent) or for one row of it. */
export function actionButtons(app, place, row, named) {
  return app.actions
    .filter((action) => action.for === place && (placeholders(action).length > 0 && !isNaming(action)) === Boolean(row))
    .map((action) => button(app, action, row, named))
    .filter(Boolean);
}

function button(app, action, row, named) {
  const parameters = isNaming(action) ? Object.fromEntries(placeholders(action).map((name) => [name, ''])) : parametersOf(action, row);
  if (!parameters) return null;
  const ask = (event) => {
    open = { action, parameters, state: 'asking', from: event.currentTarget };
    app.draw();
  };
  return h('button', { key: action.action, type: 'button', class: action.danger ? 'danger' : null, 'data-action': action.action, onclick: ask }, action.label, named ? h('span', { class: 'unseen' }, ` ${named}`) : null);
}

/** The dialog as it is now; part of the frame. */
export function dialog(app) {
  if (!open) return null;
  const close = () => {
    const { from } = open;
    open = null;
    app.draw();
    requestAnimationFrame(() => from?.isConnected && from.focus());
  };
  const run = async () => {
    open.state = 'running';
    app.draw();
    const mine = open;
    try {
      const answer = await act(mine.action.action, mine.parameters);
      Object.assign(mine, answer.status === 'OK' ? { state: 'done', answer } : { state: 'failed', error: answer.msg ?? 'It failed without a reason.' });
    } catch (error) {
      Object.assign(mine, { state: 'failed', error: error.message });
    }
    for (const topic of app.feed?.topics ?? []) app.feed.load(topic);
    app.draw();
  };
  return h(
    'dialog',
    {
      key: 'dialog',
      class: 'dialog',
      'aria-labelledby': 'dialog-title',
      attach: (node) => node.isConnected && !node.open && node.showModal(),
      oncancel: (event) => (event.preventDefault(), open?.state !== 'running' && close()),
    },
    h('h2', { id: 'dialog-title' }, open.action.label),
    h('p', null, open.state === 'asking' ? 'This statement will run:' : 'The statement:'),
    isNaming(open.action) && open.state === 'asking' ? names(app) : null,
    h('pre', { class: 'statement', tabindex: '0' }, h('bdi', null, open.answer?.statement ?? filled(open.action, open.parameters))),
    open.action.danger && open.state === 'asking' ? notice('warn', 'This cannot be taken back.') : null,
    outcome(),
    h(
      'div',
      { class: 'dialog-buttons' },
      open.state === 'asking'
        ? [h('button', { key: 'cancel', type: 'button', onclick: close }, 'Cancel'), h('button', { key: 'run', type: 'button', id: 'dialog-run', disabled: Object.values(open.parameters).some((v) => v === ''), class: open.action.danger ? 'danger solid' : 'solid', onclick: run }, 'Run it')]
        : h('button', { key: 'close', type: 'button', id: 'dialog-close', disabled: open.state === 'running', onclick: close }, 'Close'),
    ),
  );
}

/** Fields for what has to be named. */
function names(app) {
  const change = (name) => (event) => {
    open.parameters = { ...open.parameters, [name]: event.currentTarget.value };
    app.draw();
  };
  return Object.keys(open.parameters).map((name) =>
    h('div', { key: name, class: 'field' }, h('label', { for: `p-${name}` }, name === 'name' ? 'Name' : name), h('input', { id: `p-${name}`, autocomplete: 'off', spellcheck: 'false', oninput: change(name), attach: (node) => node.focus() })),
  );
}

function outcome() {
  switch (open.state) {
    case 'running':
      return h('p', { key: 'outcome', role: 'status', class: 'loading' }, 'Running …');
    case 'failed':
      return h('div', { key: 'outcome' }, notice('bad', h('bdi', { class: 'data' }, open.error)));
    case 'done':
      return h('div', { key: 'outcome', role: 'status' }, notice('ok', 'It has run.'), rowsOf(open.answer));
    default:
      return null;
  }
}

/** Rows of an answer, as `{columns, rows}`, a list of objects, or a list of lists. */
function rowsOf(answer) {
  const rows = Array.isArray(answer.rows) ? answer.rows : Array.isArray(answer.rows?.rows) ? answer.rows.rows : null;
  if (!rows) return null;
  if (rows.length === 0) return h('p', null, /verify/.test(open.action.action) ? 'No problem was found.' : 'It returned no rows.');
  const names = answer.columns ?? answer.rows.columns ?? (Array.isArray(rows[0]) ? rows[0].map((_, i) => `Column ${i + 1}`) : Object.keys(rows[0]));
  const columns = names.map((name, i) => ({ label: String(name), cell: (row) => h('bdi', { class: 'data' }, String((Array.isArray(row.cells) ? row.cells[i] : row.cells[name]) ?? '')) }));
  return table({ caption: 'Rows that the statement returned', columns, rows: rows.slice(0, 200).map((cells, i) => ({ cells, i })), key: (row) => row.i });
}
