// Requests to the node that served this page. Errors are told in words; a session that ended is told to the app.

/** What went wrong: `status` is 0 when no answer came. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let csrf = null;
let onSessionEnd = () => {};

/** Called when the server says that there is no session. */
export function whenSessionEnds(handler) {
  onSessionEnd = handler;
}

const LIMIT_MS = 10_000;

async function request(method, path, body, isLogin = false) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf;
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(isLogin || method === 'GET' ? LIMIT_MS : 120_000),
    });
  } catch (cause) {
    const late = cause?.name === 'TimeoutError';
    throw new ApiError(0, late ? 'The node did not answer within 10 s.' : 'The node cannot be reached.');
  }
  const text = await answer.text().catch(() => '');
  let json = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Told below, by its status.
  }
  if (answer.ok && json !== null) return json;
  if (answer.status === 401 && !isLogin) onSessionEnd();
  throw new ApiError(answer.status, json?.msg ?? words(answer.status));
}

function words(status) {
  switch (status) {
    case 401:
      return 'You are not signed in.';
    case 403:
      return 'Your account may not do this: the OPERATE privilege is needed.';
    case 404:
      return 'This node does not offer that.';
    case 429:
      return 'Too many attempts. Wait a minute and try again.';
    case 503:
      return 'The node cannot answer now.';
    default:
      return status < 300 ? 'The answer cannot be read.' : `The node answered with status ${status}.`;
  }
}

function remember(session) {
  csrf = session.csrf ?? null;
  return session;
}

/** GET with parameters; those that are empty are left away. */
export function get(path, parameters = {}) {
  const used = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== null && v !== '' && v !== false);
  const query = new URLSearchParams(used.map(([k, v]) => [k, v === true ? '1' : String(v)])).toString();
  return request('GET', query ? `${path}?${query}` : path);
}

/** The session that this browser has, or null. */
export async function session() {
  try {
    return remember(await request('GET', '/api/v2/session', undefined, true));
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

export async function login(user, password) {
  remember(await request('POST', '/api/v2/login', { user, password }, true));
  return session();
}

export async function logout() {
  await request('POST', '/api/v2/logout', {}, true).catch(() => {});
  csrf = null;
}

/** Runs one of the statements of /api/v2/actions. */
export function act(action, parameters) {
  return request('POST', '/api/v2/actions', { action, ...parameters });
}
