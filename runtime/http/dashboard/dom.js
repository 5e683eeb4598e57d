// Descriptions of elements, and the patching of the page so that it is as described. Elements that stay keep their
// identity, and with it focus, selection and scroll position; data only ever becomes text nodes and attributes.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'path', 'polyline', 'line', 'rect', 'circle', 'g', 'title']);

/** Describes an element. Props: `key` (identity among siblings), `on…` (handlers), `style` (object), `initial`
 * (properties set once, for what the user changes: value, checked, open), `attach` (called with a new element),
 * all else attributes; null, undefined and false leave an attribute away. */
export function h(tag, props, ...children) {
  return { tag, key: props?.key, props: props ?? {}, children: flat(children) };
}

function flat(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== true && c !== '');
}

/** Makes the content of `parent` what is described. */
export function render(parent, ...content) {
  const focused = document.activeElement;
  reconcile(parent, flat(content));
  // Moving an element in the document takes its focus away.
  if (focused && focused !== document.activeElement && focused.isConnected && focused !== document.body) focused.focus({ preventScroll: true });
}

function identity(tag, key) {
  return `${tag} ${key}`;
}

function reconcile(parent, wanted) {
  const keyed = new Map();
  const keys = new Set(wanted.filter((v) => v.key !== undefined).map((v) => identity(v.tag, v.key)));
  for (const child of [...parent.childNodes]) {
    if (child.starkeepKey === undefined) continue;
    if (keys.has(child.starkeepKey)) keyed.set(child.starkeepKey, child);
    else child.remove();
  }
  let cursor = parent.firstChild;
  for (const vnode of wanted) {
    const node = typeof vnode === 'object' ? elementFor(parent, vnode, keyed, cursor) : textFor(String(vnode), cursor);
    if (node !== cursor) parent.insertBefore(node, cursor);
    cursor = node.nextSibling;
    if (typeof vnode === 'object') {
      setProps(node, vnode.props);
      reconcile(node, vnode.children);
    }
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

function textFor(text, cursor) {
  if (cursor?.nodeType !== Node.TEXT_NODE) return document.createTextNode(text);
  if (cursor.data !== text) cursor.data = text;
  return cursor;
}

function elementFor(parent, vnode, keyed, cursor) {
  if (vnode.key !== undefined) {
    const key = identity(vnode.tag, vnode.key);
    const found = keyed.get(key);
    if (found) return found;
    const made = create(parent, vnode);
    made.starkeepKey = key;
    return made;
  }
  const fits = cursor?.nodeType === Node.ELEMENT_NODE && cursor.starkeepKey === undefined && cursor.localName === vnode.tag;
  return fits ? cursor : create(parent, vnode);
}

function create(parent, vnode) {
  const inSvg = vnode.tag === 'svg' || (parent.namespaceURI === SVG && SVG_TAGS.has(vnode.tag));
  const node = inSvg ? document.createElementNS(SVG, vnode.tag) : document.createElement(vnode.tag);
  for (const [name, value] of Object.entries(vnode.props.initial ?? {})) node[name] = value;
  if (vnode.props.attach) queueMicrotask(() => vnode.props.attach(node));
  return node;
}

function setProps(node, props) {
  const before = node.starkeepProps ?? {};
  for (const name of Object.keys(before)) if (!(name in props)) setProp(node, name, undefined, before[name]);
  for (const [name, value] of Object.entries(props)) setProp(node, name, value, before[name]);
  node.starkeepProps = props;
}

function setProp(node, name, value, before) {
  if (name === 'key' || name === 'initial' || name === 'attach') return;
  if (name === 'style') return setStyle(node, value ?? {}, before ?? {});
  if (value === before) return;
  if (name.startsWith('on')) {
    node[name] = value ?? null;
  } else if (value === undefined || value === null || value === false) {
    node.removeAttribute(name);
  } else if (name === 'href' && !/^(#|\/(?!\/))/.test(value)) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? '' : String(value));
  }
}

function setStyle(node, style, before) {
  for (const name of Object.keys(before)) if (!(name in style)) node.style.removeProperty(name);
  for (const [name, value] of Object.entries(style)) if (before[name] !== value) node.style.setProperty(name, value);
}
