// Whether people can read a page: the contrast of every visible text with what is behind it, as WCAG 2 computes it
// (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), in the light and in the dark.

/** Texts with less contrast than `least`, as `4.21 in the dark: the text`. `paints`: see `findFaintTexts`. */
export async function findFaint(page, least, paints = { names: [], values: [] }) {
  const isDark = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches);
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const text of await page.evaluate(findFaintTexts, { least, ...paints }))
      found.push(`${colorScheme}: ${text}`);
  }
  await page.emulateMedia({ colorScheme: isDark ? 'dark' : 'light' });
  return [...new Set(found)];
}

/**
 * Runs in the page. What is painted by itself in a colour (it has a variable of `names` in its own style) is looked
 * at in each of `values`. Text that is translucent or filtered is found, too, since this function can't judge it.
 */
function findFaintTexts({ least, names, values }) {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const fill = (color) => {
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([red, green, blue]) => {
    const linear = (value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };

  /** From the top down: the elements with a part at the middle of this box, from `element` on. Null: it is covered. */
  function stackAt(box, element) {
    const all = elementsAt(document, box.x + box.width / 2, box.y + box.height / 2);
    if (all.length === 0) return ancestors(element); // it is outside the window
    const begin = all.indexOf(element);
    const isCovered = begin < 0 || all.slice(0, begin).some((above) => !ancestors(above).includes(element));
    return isCovered ? null : all.slice(begin);
  }

  /** Also those in shadow roots, which are above their hosts. */
  function elementsAt(root, x, y) {
    const own = root.elementsFromPoint(x, y).filter((element) => element.getRootNode() === root);
    return own.flatMap((each) => (each.shadowRoot ? [...elementsAt(each.shadowRoot, x, y), each] : [each]));
  }

  const parentOf = (element) => element.assignedSlot ?? element.parentElement ?? element.getRootNode().host;

  function ancestors(element) {
    return element ? [element, ...ancestors(parentOf(element))] : [];
  }

  function ratioOf(color, stack) {
    fill('#fff');
    for (const element of [...stack].reverse()) fill(getComputedStyle(element).backgroundColor);
    const [back, front] = [luminance(fill('transparent')), luminance(fill(color))];
    return (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
  }

  const isJudgeable = (element) =>
    ancestors(element).every((each) => {
      const { opacity, filter, mixBlendMode } = getComputedStyle(each);
      return opacity === '1' && filter === 'none' && mixBlendMode === 'normal';
    });

  /** `{ text, element, box, color }` of all that can be seen. */
  function* texts(root = document.body) {
    for (const { shadowRoot } of root.querySelectorAll('*')) if (shadowRoot) yield* texts(shadowRoot);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const range = document.createRange();
      range.selectNodeContents(node);
      const [box] = [...range.getClientRects()].filter(({ width, height }) => width > 1 && height > 1);
      const element = node.parentElement;
      if (box && node.data.trim() && !element.closest('#news, #who'))
        yield { text: node.data.trim(), element, box, color: getComputedStyle(element).color };
    }
    for (const element of root.querySelectorAll('input:not([type=radio])')) {
      const { color, opacity } = getComputedStyle(element, element.value ? undefined : '::placeholder');
      const box = element.getBoundingClientRect();
      const text = element.value || element.placeholder;
      if (box.width > 0 && text) yield { text, element, box, color: opacity === '1' ? color : 'transparent' };
    }
  }

  function look(paint) {
    const found = [];
    for (const { text, element, box, color } of texts()) {
      const stack = stackAt(box, element);
      const ratio = stack && ratioOf(color, stack);
      if (stack && !isJudgeable(element)) found.push(`${text}: translucent or filtered`);
      else if (stack && ratio < least) found.push(`${text}: ${ratio.toFixed(2)} ${paint}`.trim());
    }
    return found;
  }

  const found = look('');
  for (const name of names) {
    const painted = [...document.querySelectorAll('body, party-screen, section:not([hidden])')].filter((element) =>
      element.style.getPropertyValue(name),
    );
    for (const value of painted.length > 0 ? values : []) {
      const before = painted.map((element) => element.style.getPropertyValue(name));
      for (const element of painted) element.style.setProperty(name, value);
      found.push(...look(value));
      painted.forEach((element, i) => element.style.setProperty(name, before[i]));
    }
  }
  return found;
}
