// What is wrong with the page for people who read it with other means: a list of sentences, empty when all is well.
// Runs inside the page; the suite calls it on every page, light and dark, wide and narrow.
const wrong = [];
const visible = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const shown = (e) => `<${e.localName}${e.id ? ` id=${e.id}` : ''}${e.className?.length ? ` class="${e.getAttribute('class')}"` : ''}> ${(e.textContent ?? '').trim().slice(0, 40)}`;

// The frame.
const isLogin = Boolean(document.querySelector('main.login'));
if (all('h1').length !== 1) wrong.push(`${all('h1').length} h1`);
if (!document.documentElement.lang) wrong.push('the page has no language');
if (!document.title.includes('Starkeep')) wrong.push(`the title is ${document.title}`);
for (const landmark of isLogin ? ['main'] : ['header', 'nav', 'main', 'footer']) if (all(landmark).length !== 1) wrong.push(`${all(landmark).length} ${landmark}`);
const levels = all('h1, h2, h3, h4').filter(visible).map((e) => Number(e.localName[1]));
levels.forEach((level, i) => i > 0 && level > levels[i - 1] + 1 && wrong.push(`a heading of level ${level} after one of level ${levels[i - 1]}`));

// Names.
const byId = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
const nameOf = (e) =>
  [e.getAttribute('aria-label'), e.hasAttribute('aria-labelledby') ? byId(e.getAttribute('aria-labelledby')) : '', [...(e.labels ?? [])].map((l) => l.textContent).join(' '), e.matches('input') ? '' : e.textContent, e.alt]
    .map((s) => (s ?? '').trim())
    .find(Boolean);
for (const e of all('a[href], button, input, select, textarea, summary, progress, [role=meter], [role=img], [role=treegrid], dialog, nav, section, form[role=search]')) {
  if (visible(e) && !nameOf(e)) wrong.push(`no name: ${shown(e)}`);
}
for (const e of all('img')) if (!e.hasAttribute('alt')) wrong.push('a picture without alt');
for (const e of all('[aria-hidden=true]')) if (e.matches('a[href], button, input, [tabindex="0"]') || e.querySelector('a[href], button, input, [tabindex="0"]')) wrong.push(`the focus can be on what is hidden: ${shown(e)}`);

// References.
const ids = all('[id]').map((e) => e.id);
for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) wrong.push(`two elements have the id ${id}`);
for (const attribute of ['aria-labelledby', 'aria-describedby', 'for']) {
  for (const e of all(`[${attribute}]`)) for (const id of e.getAttribute(attribute).split(/\s+/)) if (!document.getElementById(id)) wrong.push(`${attribute} names ${id}, which is not there`);
}

// Tables and the tree.
for (const table of all('table').filter(visible)) {
  if (!table.getAttribute('aria-label') && !table.caption) wrong.push(`a table without a caption: ${shown(table)}`);
  if (all('thead th', table).length === 0) wrong.push(`a table without headings: ${shown(table)}`);
}
for (const tree of all('[role=treegrid]')) {
  const rows = all('tbody [role=row]', tree);
  if (rows.filter((r) => r.tabIndex === 0).length !== 1) wrong.push('a tree must have one tab stop');
  for (const row of rows) if (!row.getAttribute('aria-level') || !row.getAttribute('aria-posinset') || !row.getAttribute('aria-setsize')) wrong.push(`a row without its place: ${shown(row)}`);
}

// Contrast of all text that can be seen (WCAG 2, AA).
const parse = (text) => {
  const found = /rgba?\(([^)]+)\)/.exec(text);
  const parts = found ? found[1].split(/[\s,/]+/).map(Number) : [0, 0, 0, 0];
  return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
};
const over = (top, under) => top.rgb.map((v, i) => v * top.alpha + under[i] * (1 - top.alpha));
const groundOf = (e) => {
  const layers = [];
  for (let at = e; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    layers.push(colour);
    if (colour.alpha === 1) break;
  }
  return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
const low = new Map();
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !e || !visible(e) || e.closest('[disabled], [aria-disabled=true], .unseen, .skip, noscript, script, svg')) continue;
  texts += 1;
  const style = getComputedStyle(e);
  const ground = groundOf(e);
  const [a, b] = [luminance(over(parse(style.color), ground)), luminance(ground)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (isLarge ? 3 : 4.5)) low.set(`${style.color} on ${ground.map(Math.round)}`, `contrast ${ratio.toFixed(2)}: ${shown(e)}`);
}
wrong.push(...low.values());
if (texts < 5) wrong.push(`only ${texts} texts were looked at`);

// The policy would have stopped these; they must not be there at all.
for (const e of all('script:not([src])')) wrong.push(`an inline script: ${shown(e)}`);
for (const e of all('*')) for (const { name } of e.attributes) if (name.startsWith('on')) wrong.push(`a handler as an attribute: ${shown(e)}`);
if (document.documentElement.scrollWidth > innerWidth) wrong.push(`the page is ${document.documentElement.scrollWidth} wide and the window ${innerWidth}`);
return wrong;
