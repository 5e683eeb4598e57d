// A tree with columns (ARIA treegrid): one row has the tab stop, arrows walk.

/** Flattens what is open. `roots`: nodes with `{id, children}`; gives `[{item, level, index, of, parent}]`. */
export function flatten(roots, isOpen) {
  const rows = [];
  const walk = (items, level, parent) => {
    items.forEach((item, i) => {
      rows.push({ item, level, index: i + 1, of: items.length, parent });
      if (item.children.length > 0 && isOpen(item)) walk(item.children, level + 1, item);
    });
  };
  walk(roots, 1, null);
  return rows;
}

/** Attributes of a row. */
export function rowProps({ item, level, index, of }, { isOpen, current, selected }) {
  return {
    role: 'row',
    key: item.id,
    'data-id': item.id,
    tabindex: item.id === current ? '0' : '-1',
    'aria-level': level,
    'aria-posinset': index,
    'aria-setsize': of,
    'aria-expanded': item.children.length > 0 ? String(isOpen(item)) : null,
    'aria-selected': String(item.id === selected),
  };
}

/** What a key does: `move(id)`, `toggle(item, open)`, `choose(item)` are called; true if the key was for us. */
export function onKey(event, rows, current, { isOpen, move, toggle, choose }) {
  if (event.altKey || event.ctrlKey || event.metaKey) return false;
  const at = Math.max(0, rows.findIndex((row) => row.item.id === current));
  const row = rows[at];
  if (!row) return false;
  const to = (i) => move(rows[Math.min(rows.length - 1, Math.max(0, i))].item.id);
  const parent = row.item.children.length > 0;
  switch (event.key) {
    case 'ArrowDown':
      to(at + 1);
      break;
    case 'ArrowUp':
      to(at - 1);
      break;
    case 'Home':
      to(0);
      break;
    case 'End':
      to(rows.length - 1);
      break;
    case 'ArrowRight':
      if (parent && !isOpen(row.item)) toggle(row.item, true);
      else if (parent) to(at + 1);
      break;
    case 'ArrowLeft':
      if (parent && isOpen(row.item)) toggle(row.item, false);
      else if (row.parent) move(row.parent.id);
      break;
    case 'Enter':
    case ' ':
      choose(row.item);
      break;
    default:
      if (event.key.length !== 1 || !/\S/.test(event.key)) return false;
      return find(event.key, rows, at, move);
  }
  return true;
}

/** A letter goes to the next row that begins with it. */
function find(letter, rows, at, move) {
  const after = [...rows.slice(at + 1), ...rows.slice(0, at + 1)];
  const found = after.find((row) => row.item.label.toLowerCase().startsWith(letter.toLowerCase()));
  if (found) move(found.item.id);
  return Boolean(found);
}
