// Appended to a page of `normlab verify --html` and run in a browser: looks at what is drawn, clicks through to cases, and leaves what it found in the
// document, as the element test-result, for html_test.sh to read. EXPECTED stands before it: what the page must hold.
(async () => {
  const problems = [];
  const check = (holds, what) => holds || problems.push(what);
  const settle = () => new Promise(done => setTimeout(done, 250));
  const visible = element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility === 'visible';
  };
  try {
    for (const id of EXPECTED.sections) check(document.getElementById(id), `no section '${id}'`);
    for (const id of EXPECTED.absent) check(!document.getElementById(id), `a section '${id}' that should be left out`);
    check(document.querySelector('h1').textContent.includes(EXPECTED.verdict), `the heading says '${document.querySelector('h1').textContent}'`);
    for (const [selector, least] of Object.entries(EXPECTED.least)) {
      const found = [...document.querySelectorAll(selector)].filter(visible).length;
      check(found >= least, `${found} visible '${selector}', expected ${least} at least`);
    }
    // drawings: of some size, with nothing outside
    for (const svg of document.querySelectorAll('figure svg, .scroll svg')) {
      const frame = svg.getBoundingClientRect();
      const name = svg.getAttribute('aria-label');
      check(frame.width > 100 && frame.height > 20, `'${name}' is ${frame.width} x ${frame.height}`);
      for (const part of svg.querySelectorAll('text, path, rect, line')) {
        const box = part.getBoundingClientRect();
        check(Number.isFinite(box.x) && box.width + box.height > 0, `an empty <${part.tagName}> in '${name}': ${part.outerHTML.slice(0, 120)}`);
        check(box.left >= frame.left - 2 && box.right <= frame.right + 2 && box.top >= frame.top - 2 && box.bottom <= frame.bottom + 2,
              `<${part.tagName}> outside '${name}': ${part.outerHTML.slice(0, 120)}`);
      }
      const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
      texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) =>
        check(p.right <= q.left + 1 || q.right <= p.left + 1 || p.bottom <= q.top + 4 || q.bottom <= p.top + 4, `'${a}' overlaps '${b}' in '${name}'`)));
    }
    // every link leads to a case, and clicking shows it with its rerun line
    const links = [...document.querySelectorAll('a[href^="#case-"]')];
    check(links.length > 0, 'no link to a case');
    for (const link of links) check(document.querySelector(link.getAttribute('href')), `${link.getAttribute('href')} leads nowhere`);
    for (const selector of EXPECTED.click) {
      const link = document.querySelector(selector);
      if (!link) { problems.push(`nothing to click: ${selector}`); continue; }
      link.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
      await settle();
      const detail = document.querySelector(link.getAttribute('href'));
      check(visible(detail), `${selector}: clicking does not show the case`);
      check(detail.querySelector('.rerun code').textContent.startsWith('normlab verify --case "'), `${selector}: no rerun line`);
      check(visible(detail.querySelector('.rerun code')) && detail.querySelectorAll('.findings tbody th').length > 0, `${selector}: no findings`);
      check(document.body.classList.contains('few') || [...document.querySelectorAll('.case')].filter(visible).length === 1, 'several cases are open');
      dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}));
      await settle();
      check(document.body.classList.contains('few') || !visible(detail), `${selector}: Escape does not close the case`);
    }
    check(document.querySelectorAll('.rerun button:not([hidden])').length > 0, 'no copy button');
    const loaded = performance.getEntriesByType('resource').map(entry => entry.name);
    check(loaded.length === 0, `the page loads ${loaded}`);
  } catch (error) {
    problems.push(`exception: ${error.stack}`);
  }
  problems.push(...window.pageErrors);
  const result = document.createElement('pre');
  result.id = 'test-result';
  result.textContent = problems.length ? problems.join('\n') : 'the page is as expected';
  document.body.append(result);
})();
