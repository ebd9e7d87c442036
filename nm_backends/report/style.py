"""How a page looks: light and dark, on a phone and on paper."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --ink: #1c2127; --soft: #59636e; --page: #fff; --line: #d5dae0;
  --raised: #f5f7f9; --good: #1a7f37; --bad: #c01c28; --warn: #9a6700; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #a3adb8; --page: #14171a;
  --line: #353c44; --raised: #1f2429; --good: #4ac26b; --bad: #ff7b72; --warn: #e3b341;
  --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 68rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
p, ul, table { margin: .6rem 0; }
a { color: var(--link); }
small, .soft { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); }
nav ul { columns: 18rem; padding-left: 1.2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(11rem, 45%), 1fr));
  gap: .7rem; padding: 0; list-style: none; }
.tiles li { background: var(--raised); border: 1px solid var(--line); border-radius: .4rem;
  padding: .6rem .8rem; }
.tiles b { display: block; font-size: 1.3rem; line-height: 1.3; }
.wide { overflow-x: auto; background: no-repeat local left / 2rem 100%
  linear-gradient(to right, var(--page) 40%, transparent), no-repeat local right / 2rem 100%
  linear-gradient(to left, var(--page) 40%, transparent), no-repeat scroll left / .7rem 100%
  linear-gradient(to right, var(--line), transparent), no-repeat scroll right / .7rem 100%
  linear-gradient(to left, var(--line), transparent); }  /* a shade where there is more */
table { border-collapse: collapse; font-size: .92rem; overflow-wrap: normal; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left;
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
thead th { color: var(--soft); font-weight: 600; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .4rem;
  padding: .3rem; border: 1px solid var(--line); margin: .6rem 0; }
.findings { list-style: none; padding: 0; }
.findings li { border-left: .3rem solid var(--soft); padding: .3rem .8rem; margin: .6rem 0;
  background: var(--raised); }
.findings .error { border-color: var(--bad); } .findings .warning { border-color: var(--warn); }
summary { cursor: pointer; color: var(--link); }
pre { white-space: pre-wrap; background: var(--raised); padding: .6rem .8rem; font-size: .85rem;
  border: 1px solid var(--line); border-radius: .4rem; }
@page { margin: 14mm; }
@media print { :root { color-scheme: light; --ink: #000; --page: #fff; --soft: #444;
  --line: #bbb; --raised: #fff; --good: #1a7f37; --bad: #c01c28; --warn: #9a6700; --link: #0b57d0; }
  nav { display: none; } body { max-width: none; padding: 0;
  font-size: .85rem; } .wide { overflow: visible; background: none; } table { font-size: .72rem; }
  h2 { break-after: avoid; } img, li, tr { break-inside: avoid; } }
"""
