// Sign in with a MySQL account.

import { h } from '../dom.js';
import { notice } from '../widgets.js';

let state = { busy: false, error: null };

export function login(app) {
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    if (state.busy) return;
    state = { busy: true, error: null };
    app.draw();
    try {
      await app.signIn(fields.get('user'), fields.get('password'));
      state = { busy: false, error: null };
    } catch (error) {
      state = { busy: false, error: error.status === 429 ? `Too many attempts: ${error.message}` : error.message };
      form.elements.password.value = '';
      form.elements.password.focus();
    }
    app.draw();
  };
  const error = state.error ?? app.startError;
  return h(
    'main',
    { key: 'login', class: 'login' },
    h('img', { src: '/dashboard/icon.svg', alt: '', width: 48, height: 48 }),
    h('h1', { tabindex: '-1' }, 'Sign in to Starkeep'),
    h('p', { class: 'muted' }, 'With the name and password of a MySQL account that has the OPERATE privilege.'),
    h(
      'form',
      { onsubmit: submit, 'aria-describedby': error ? 'login-error' : null },
      h('label', { for: 'user' }, 'User'),
      h('input', { id: 'user', name: 'user', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true, initial: { value: 'root' } }),
      h('label', { for: 'password' }, 'Password'),
      h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', attach: (node) => node.focus() }),
      h('div', { id: 'login-error', 'aria-live': 'assertive' }, error && !state.busy ? notice('bad', error) : null),
      h('button', { type: 'submit', class: 'solid', 'aria-disabled': state.busy ? 'true' : null }, state.busy ? 'Signing in …' : 'Sign in'),
    ),
  );
}
