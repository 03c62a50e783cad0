// Looks and behaviour of the page. Colours are those of Okabe and Ito, told apart by most colour-blind people; marks
// and words say the same again.

#include "verify/report/html_parts.hpp"

namespace normlab::verify {

const std::string_view page_style = R"css(
:root { --paper: #fcfbf8; --card: #fff; --ink: #1d2125; --soft: #5d646b; --line: #dedbd2; --faint: #efede6; --accent: 0 114 178;
  --c0: #0072b2; --c1: #e69f00; --c2: #009e73; --c3: #cc79a7; --c4: #56b4e9; --c5: #5d646b; --bad: #b84f00; --doubt: #8a6500; --good: #00714f; --no: #b8b2a4;
  --yes-fill: #009e7326; --no-fill: #8882; --dense-fill: #56b4e940; --shadow: 0 0 40px #0003 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171a; --card: #1b1f23; --ink: #e8e6e1; --soft: #9aa3ab; --line: #343a40; --faint: #23282d; --accent: 86 180 233;
    --c0: #56b4e9; --c1: #e69f00; --c2: #1fc296; --c3: #de94bd; --c4: #f0e442; --c5: #9aa3ab; --bad: #f58a45; --doubt: #f0c75e; --good: #35d0a2; --no: #6b7278;
    --yes-fill: #1fc29638; --no-fill: #fff1; --dense-fill: #56b4e938; --shadow: 0 0 40px #000a }
}
* { box-sizing: border-box }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 40px 28px 120px }
a { color: inherit; text-decoration-color: rgb(var(--accent) / .5); text-underline-offset: 3px }
a:hover { text-decoration-color: rgb(var(--accent)) }
:focus-visible { outline: 2px solid rgb(var(--accent)); outline-offset: 2px }
code { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "Liberation Serif", serif; font-weight: 600; line-height: 1.15; margin: 0 }
h1 { font-size: clamp(34px, 6vw, 54px); letter-spacing: -.015em }
h2 { font-size: 27px; letter-spacing: -.01em }
h3 { margin: 2px 0 8px; font: 600 16px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere }
section { margin-top: 64px }
.about { max-width: 74ch; margin: 8px 0 18px; color: var(--soft) }
.eyebrow { margin: 0 0 6px; color: var(--soft); font-size: 13px; letter-spacing: .06em }
header.pass h1 { color: var(--good) } header.fail h1 { color: var(--bad) } header.unresolved h1 { color: var(--doubt) }
.proportions { display: flex; gap: 2px; height: 8px; margin: 22px 0 18px; border-radius: 4px; overflow: hidden }
.proportions i { min-width: 4px; flex-basis: 0 }
.proportions .pass { background: var(--c2) } .proportions .fail { background: #d55e00 } .proportions .unresolved { background: var(--c1) } .proportions .skipped { background: var(--no) }
.numbers { display: flex; flex-wrap: wrap; gap: 10px 34px; margin: 0 0 20px }
.numbers dt { color: var(--soft); font-size: 13px } .numbers dd { margin: 0; font-size: 23px; font-variant-numeric: tabular-nums }
.numbers .fail dd { color: var(--bad) } .numbers .unresolved dd { color: var(--doubt) } .numbers .zero dd { color: var(--soft) }
.call { margin: 0 0 12px; padding: 9px 13px; background: var(--faint); border-radius: 7px }
.implementations { margin: 0; padding: 0; list-style: none; color: var(--soft); font-size: 14px } .implementations b { color: var(--ink); margin-right: .4em }
nav { margin: 28px 0 0 } nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 12px; padding: 0; list-style: none; font-size: 14px }
.filter { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; font-size: 14px; color: var(--soft) } .filter[hidden] { display: none }
.filter input { flex: 1 1 180px; max-width: 420px; min-width: 0; font: inherit; padding: 5px 10px; border: 1px solid var(--line); border-radius: 6px; background: var(--card); color: var(--ink) }
.causes { margin: 0; padding: 0 0 0 1.6em } .causes > li { padding: 12px 0; border-top: 1px solid var(--line) } .causes b { overflow-wrap: anywhere } .causes p { margin: 4px 0 6px; font-size: 14px; overflow-wrap: anywhere }
.causes p:first-of-type { color: var(--soft) } .filtered { display: none !important }
.classes { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums } .classes th, .classes td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; font-weight: 500 } .classes thead th { color: var(--soft); font-size: 13px } .classes tbody tr > * { border-top: 1px solid var(--line) } .classes td { font-weight: 400 } .classes .names { min-width: 200px; color: var(--soft) } .classes th[scope=row] { white-space: nowrap }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 14px; color: var(--soft); font-size: 13px }
.legend span { display: inline-flex; align-items: center; gap: 6px }
.legend svg { height: 14px; width: auto }
.facets { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 22px 16px }
figure { margin: 0 } figcaption { padding-left: 14%; color: var(--soft); font-size: 14px } figcaption b { color: var(--ink) }
svg { display: block; width: 100%; height: auto; overflow: visible; font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: var(--ink) }
.scroll { overflow-x: auto; padding-bottom: 6px } .wide svg { min-width: 860px; font-size: 12.5px }
svg .end { text-anchor: end } svg .middle { text-anchor: middle } svg .strong { font-weight: 600 }
svg .tick { fill: var(--soft) } svg .label { fill: var(--soft) } svg .label.strong { fill: var(--ink) } svg .number { font-variant-numeric: tabular-nums }
svg .grid { stroke: var(--line); stroke-width: .7 } svg .axis { stroke: var(--soft); stroke-width: 1 } svg .rule { stroke: var(--line); stroke-width: 1 }
svg .limit { stroke: var(--bad); stroke-width: 1.5 } svg .limit-label { fill: var(--bad); font-weight: 600 }
svg .sweep { fill: none; stroke: var(--soft); stroke-opacity: .22; stroke-width: 1 } svg .sweep:hover { stroke: var(--ink); stroke-opacity: 1; stroke-width: 2 }
svg .bound { fill: none; stroke-width: 1.6; stroke-dasharray: 5 3 } svg line.sweep { stroke-opacity: .6 }
svg .point { stroke: var(--paper); stroke-width: 1 } svg a { cursor: pointer } svg a:hover .point, svg a:focus .point { stroke: var(--ink); stroke-width: 2 }
.c0 { --c: var(--c0) } .c1 { --c: var(--c1) } .c2 { --c: var(--c2) } .c3 { --c: var(--c3) } .c4 { --c: var(--c4) } .c5 { --c: var(--c5) } .bad { --c: #d55e00 }
svg .point, svg .bin { fill: var(--c) } svg .bound { stroke: var(--c) } svg .bin { fill-opacity: .42 } svg .bin.bad { fill-opacity: .8 } svg .bin:hover { fill-opacity: 1 }
.matrix { border-collapse: separate; border-spacing: 3px; font-size: 13px; font-variant-numeric: tabular-nums; min-width: 780px; width: 100% }
.matrix thead th { padding: 0 4px 6px; color: var(--soft); font-weight: 500; text-align: center; vertical-align: bottom; line-height: 1.25 }
.matrix th[scope=row] { text-align: left; font-weight: 500; white-space: nowrap; padding-right: 12px } .matrix td { padding: 0; text-align: center }
.matrix .none { color: var(--no) }
.matrix a { display: block; padding: 3px 6px; border-radius: 4px; text-decoration: none } .matrix a:hover { box-shadow: inset 0 0 0 2px rgb(var(--accent)) }
.chip { position: relative; margin-bottom: 2px; background: rgb(var(--accent) / calc(.05 + .4 * var(--t))) }
.chip .bar { position: absolute; left: 0; top: 0; bottom: 0; width: 3px; border-radius: 4px 0 0 4px; background: var(--c) }
.matrix .fail { background: #d55e0033; color: var(--bad); font-weight: 600; box-shadow: inset 0 0 0 1px var(--bad) }
.matrix .unresolved { background: #e69f0033; color: var(--doubt); font-weight: 600; box-shadow: inset 0 0 0 1px var(--doubt) }
.answer.yes { background: var(--yes-fill); color: var(--good); font-weight: 600 } .answer.no { background: var(--no-fill); color: var(--soft) }
.answer.dense { background: var(--dense-fill) } .answer.fail { background: #d55e0033; color: var(--bad) }
.cases, .losses { margin: 0; padding: 0; list-style: none } .cases li { padding: 14px 0; border-top: 1px solid var(--line) } .losses li { padding: 4px 0 }
.cases li > a { font: 600 14px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; margin: 0 12px; overflow-wrap: anywhere }
.cases .ratio { font-variant-numeric: tabular-nums; color: var(--soft); white-space: nowrap } .cases .ratio::after { content: " × bound" }
.cases p { margin: 4px 0 6px; color: var(--soft); font-size: 14px; overflow-wrap: anywhere } .more { color: var(--soft) }
.badge { display: inline-block; padding: 0 7px; border-radius: 4px; font-size: 12px; font-weight: 600; line-height: 20px; white-space: nowrap }
.badge.pass { background: var(--yes-fill); color: var(--good) } .badge.fail { background: #d55e0033; color: var(--bad) } .badge.skipped { background: var(--no-fill); color: var(--soft) }
.badge.unresolved, .badge.warned { background: #e69f0033; color: var(--doubt) }
.rerun { display: flex; align-items: flex-start; gap: 8px; padding: 7px 11px; background: var(--faint); border-radius: 6px } .rerun code { flex: 1 }
button { font: 12px system-ui, sans-serif; padding: 2px 9px; border: 1px solid var(--line); border-radius: 5px; background: var(--card); color: var(--ink); cursor: pointer }
#cases { margin: 0 } #cases > h2 { display: none }
.case { display: none } .case:target { display: block; position: fixed; z-index: 2; top: 0; right: 0; bottom: 0; width: min(680px, 100vw); overflow: auto; padding: 26px 28px; background: var(--card); box-shadow: var(--shadow) }
.case.fail:target { border-left: 6px solid #d55e00 } .case.unresolved:target { border-left: 6px solid var(--c1) } .case.pass:target { border-left: 6px solid var(--c2) }
.case:focus { outline: none }
.case .close { position: absolute; top: 14px; right: 18px; padding: 4px 10px; text-decoration: none; font-size: 18px; color: var(--soft) }
.findings { width: 100%; margin: 8px 0 16px; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums }
.findings th { text-align: left; font-weight: 500 } .findings thead th { color: var(--soft); font-size: 13px } .findings td, .findings th { padding: 5px 10px 1px 0; vertical-align: top }
.findings tbody tr:not(.where) > * { border-top: 1px solid var(--line) } .findings .where td { color: var(--soft); font-size: 13px; padding: 0 0 6px; overflow-wrap: anywhere }
.few #cases { margin-top: 48px } .few #cases > h2 { display: block } .few .case, .few .case:target { display: block; position: relative; width: auto; margin-top: 22px; padding: 20px 24px; box-shadow: none; border: 1px solid var(--line); border-radius: 10px }
.few .case .close { display: none }
@media (max-width: 640px) { main { padding: 26px 16px 90px } .case:target { padding: 22px 16px } .cases li > a { display: block; margin: 4px 0 } .numbers { gap: 8px 22px } }
@media (prefers-reduced-motion: no-preference) { .case:target { animation: come .16s ease-out } .few .case:target { animation: none } @keyframes come { from { transform: translateX(24px); opacity: 0 } } }
@media print { .case { display: block; break-inside: avoid } .case .close, button { display: none } }
)css";

const std::string_view page_script = R"js(
for (const button of document.querySelectorAll('.rerun button')) {
  button.hidden = false;
  button.onclick = async () => {
    const line = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(line.textContent);
      button.textContent = 'copied';
    } catch {
      getSelection().selectAllChildren(line);
      button.textContent = 'selected';
    }
    setTimeout(() => button.textContent = 'copy', 1500);
  };
}
const search = document.querySelector('.filter input');
if (search) {
  const lines = [...document.querySelectorAll('.cases > li, .causes > li, .losses > li')];
  const texts = lines.map(line => line.textContent.toLowerCase());
  search.closest('.filter').hidden = lines.length < 2;
  search.oninput = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(word => word);
    let shown = 0;
    lines.forEach((line, k) => {
      const has = words.every(word => texts[k].includes(word));
      line.classList.toggle('filtered', !has);
      shown += has;
    });
    document.querySelector('.filter output').textContent = words.length ? shown + ' of ' + lines.length : '';
  };
}
let opener = null;
addEventListener('click', event => {
  const link = event.target.closest('a[href^="#case-"]');
  if (link && !link.closest('.case')) opener = link;
});
addEventListener('hashchange', () => {
  const shown = document.querySelector('.case:target');
  if (shown) shown.focus({preventScroll: true});
  else if (opener) opener.focus({preventScroll: true});
});
addEventListener('keydown', event => {
  if (event.key === 'Escape' && document.querySelector('.case:target')) location.hash = '-';
});
)js";

}  // namespace normlab::verify
