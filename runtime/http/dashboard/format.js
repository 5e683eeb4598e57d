// Numbers with their units, and times: local on the page, UTC in the title.

import { h } from './dom.js';

const GROUPED = new Intl.NumberFormat('en-US');

/** A placeholder for what is not known. */
export const UNKNOWN = '–';

export function count(n) {
  return n === null || n === undefined ? UNKNOWN : GROUPED.format(n);
}

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(n) {
  if (n === null || n === undefined) return UNKNOWN;
  let unit = 0;
  let value = n;
  while (Math.abs(value) >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

function short(value) {
  return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A measured duration, given in microseconds. */
export function micros(us) {
  if (us === null || us === undefined) return UNKNOWN;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${short(us / 1000)} ms`;
  if (us < 60_000_000) return `${short(us / 1_000_000)} s`;
  return span(us / 1_000_000);
}

/** A long duration or an age, given in seconds: two units at most. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return UNKNOWN;
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return UNKNOWN;
  return perSecond === 0 ? '0 /s' : perSecond < 10 ? `${perSecond.toFixed(1)} /s` : `${count(Math.round(perSecond))} /s`;
}

function pad(n, width = 2) {
  return String(n).padStart(width, '0');
}

function day(d) {
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

/** Local time; with the date unless it is today. */
export function local(ms, { millis = false } = {}) {
  const d = new Date(ms);
  const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}${millis ? `.${pad(d.getMilliseconds(), 3)}` : ''}`;
  return day(d) === day(new Date()) ? clock : `${day(d)} ${clock}`;
}

export function utc(ms) {
  return `${new Date(ms).toISOString().replace('T', ' ').replace('Z', '')} UTC`;
}

/** A moment as an element; nothing known gives a dash. */
export function time(ms, options) {
  if (!ms) return UNKNOWN;
  return h('time', { datetime: new Date(ms).toISOString(), title: utc(ms) }, local(ms, options));
}

let skew = 0;

/** What the server's clock says now, as far as we know: ages are told by the clock that made the times. */
export function now() {
  return Date.now() + skew;
}

/** The server has said what time it is. */
export function serverTime(ms) {
  if (Number.isFinite(ms)) skew = ms - Date.now();
}

/** How long ago a moment was, in seconds. */
export function ago(ms) {
  return ms ? Math.max(0, (now() - ms) / 1000) : null;
}
