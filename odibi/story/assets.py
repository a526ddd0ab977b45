"""What every page carries: style, shapes and a few lines of script. The page works without the script.

The policy in the page's head names style and script by their hashes, so that nothing else can run, whatever the data
holds. A test keeps hashes and texts together.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe3e9;--code:#f3f5f8;
--link:#1d5fb8;--completed:#0f766e;--completed-bg:#e3f4f1;--failed:#b42318;--failed-bg:#fdeceA;--skipped:#667085;
--skipped-bg:#eef0f3;--interrupted:#6941c6;--interrupted-bg:#f1ebfd;--warned:#9a5b00;--warned-bg:#fdf3dd}
@media (prefers-color-scheme:dark){:root{--bg:#11151b;--card:#191f28;--ink:#e4e9f0;--soft:#98a4b5;--line:#2d3643;
--code:#12171e;--link:#7fb3f5;--completed:#4fd1b8;--completed-bg:#12332f;--failed:#ff8a7d;--failed-bg:#3b1b19;
--skipped:#98a4b5;--skipped-bg:#252c37;--interrupted:#b79bf2;--interrupted-bg:#2b2343;--warned:#f2bb5c;
--warned-bg:#382b12}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",
Arial,sans-serif;-webkit-text-size-adjust:100%}
main,header.top,footer{max-width:1240px;margin:0 auto;padding:0 24px}
header.top{padding-top:32px}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
h1{font-size:30px;line-height:1.2;margin:4px 0 10px;display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center;
overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 14px;display:flex;gap:12px;align-items:baseline;flex-wrap:wrap}
h3{font-size:12px;letter-spacing:.05em;text-transform:uppercase;color:var(--soft);margin:22px 0 8px;font-weight:650}
p{margin:0 0 10px;overflow-wrap:anywhere}
.crumb,.note,.soft{color:var(--soft)}.crumb{font-size:14px}.note{font-size:13px;font-weight:400}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:18px 0}
section.failures{border-color:var(--failed)}section.cautions{border-color:var(--warned)}
.facts{display:flex;flex-wrap:wrap;gap:12px 34px;margin:8px 0}
.facts dt{font-size:12px;color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere;
font-variant-numeric:tabular-nums}
.big{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 22px;margin-top:18px}
.big .facts dd{font-size:19px;font-weight:600}.big .facts dd .soft{font-size:13px;font-weight:400;display:block}
.icon{width:16px;height:16px;flex:none;vertical-align:-3px}
.icon.completed,.icon.passed{color:var(--completed)}.icon.failed{color:var(--failed)}.icon.skipped{
color:var(--skipped)}
.icon.interrupted{color:var(--interrupted)}.icon.warned{color:var(--warned)}
.pill{display:inline-flex;align-items:center;gap:6px;border-radius:99px;padding:2px 11px;font-size:13px;
font-weight:600;
line-height:20px;white-space:nowrap}
.pill .icon{margin-left:-4px}
.pill.completed,.pill.passed{color:var(--completed);background:var(--completed-bg)}
.pill.failed{color:var(--failed);background:var(--failed-bg)}.pill.skipped{color:var(--skipped);
background:var(--skipped-bg)}
.pill.interrupted{color:var(--interrupted);background:var(--interrupted-bg)}
.pill.warned{color:var(--warned);background:var(--warned-bg)}
.wide{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-size:12px;color:var(--soft);font-weight:600;white-space:nowrap}
td{overflow-wrap:anywhere;unicode-bidi:isolate}tr:last-child td{border-bottom:0}
.num{text-align:right;white-space:nowrap}.null{color:var(--soft);font-style:italic}
table.sample{width:auto;min-width:50%;font-size:13px}
table.sample td{max-width:340px;white-space:pre-wrap;overflow-wrap:break-word;min-width:40px}
table.sample th,table.sample td{padding-right:22px}
table.sample th span{display:block;font-weight:400}
.checks>tbody>tr>td:first-child,.checks>tbody>tr>td:nth-child(2){width:1%;padding-right:28px}
table.columns{width:auto;min-width:50%}
code,pre,.mono{font-family:ui-monospace,"SF Mono","Cascadia Mono","DejaVu Sans Mono",Consolas,monospace;
font-size:13px}
pre{background:var(--code);border:1px solid var(--line);border-radius:8px;padding:11px 14px;margin:6px 0;
overflow:auto;
max-height:460px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;tab-size:4}
.pair{display:grid;gap:0 16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}
.step{margin:0 0 14px}.step>p{margin:0;display:flex;gap:10px;flex-wrap:wrap;font-size:13px;color:var(--soft)}
.step>p b{color:var(--ink)}
.message{white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid var(--failed);padding:2px 0 2px 14px;
margin:8px 0}
.failure+.failure{margin-top:20px}
ul.plain{margin:6px 0;padding-left:20px}ul.plain li{overflow-wrap:anywhere;white-space:pre-wrap}
.plus{color:var(--completed);white-space:nowrap}.minus{color:var(--failed);white-space:nowrap}
.turn{color:var(--warned)}tr.gone td:first-child{text-decoration:line-through;color:var(--soft)}
details.node{border-top:1px solid var(--line)}details.node:first-of-type{border-top:0}
details.node>summary{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:center;padding:11px 28px 11px 0;
cursor:pointer;
list-style:none;position:relative}
details.node>summary::-webkit-details-marker{display:none}
details.node>summary::after{content:"";width:7px;height:7px;border:solid var(--soft);border-width:0 2px 2px 0;
transform:rotate(45deg);position:absolute;right:6px;top:17px}
details.node[open]>summary::after{transform:rotate(225deg);top:21px}
details.node>summary b{overflow-wrap:anywhere}details.node>summary .soft{font-size:13px}
details.node>summary .push{margin-left:auto;text-align:right}
.body{padding:4px 0 22px 30px;scroll-margin-top:60px}
details.fold>summary{cursor:pointer;color:var(--link);font-size:13px;margin:6px 0}
button{font:inherit;font-size:13px;color:var(--link);background:none;border:1px solid var(--line);border-radius:8px;
padding:3px 11px;cursor:pointer;margin-left:auto}
.canvas{overflow:auto;max-height:680px}
.canvas svg{display:block;margin:0 auto}svg.fit{max-width:100%;height:auto}
svg text{font-family:inherit;fill:var(--ink)}svg .dim{fill:var(--soft);font-size:11px}svg .name{font-size:13px;
font-weight:600}
.edge{fill:none;stroke:var(--soft);stroke-width:1.4;opacity:.55}.edge.cold{stroke-dasharray:4 4}
.tip{fill:var(--soft)}
.box{fill:var(--card);stroke:var(--line);stroke-width:1.5}
g.completed .box{stroke:var(--completed)}g.failed .box{stroke:var(--failed);stroke-width:2.5;fill:var(--failed-bg)}
g.skipped .box{stroke-dasharray:5 4;stroke:var(--skipped)}g.interrupted .box{stroke:var(--interrupted);
stroke-dasharray:2 3}
g.warned .box{stroke:var(--warned);fill:var(--warned-bg)}
g.completed use{color:var(--completed)}g.failed use{color:var(--failed)}g.skipped use{color:var(--skipped)}
g.interrupted use{color:var(--interrupted)}g.warned use{color:var(--warned)}
a:hover .box{stroke-width:2.5}
.bar.completed{fill:var(--completed)}.bar.failed{fill:var(--failed)}.bar.interrupted{fill:var(--interrupted)}
.bar.warned{fill:var(--warned)}.bar.skipped{fill:var(--skipped)}
.tick{stroke:var(--line)}
footer{padding-bottom:48px;color:var(--soft);font-size:13px}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:12px;font-size:13px;color:var(--soft)}
.defs{position:absolute;width:0;height:0}
@media (max-width:700px){main,header.top,footer{padding-left:12px;padding-right:12px}section{padding:16px 14px}
svg.fit{max-width:none}.canvas svg{margin:0}
.body{
padding-left:4px}}
@media print{body{background:none;font-size:11px}section,.big{border:0;padding:8px 0;margin:8px 0}
.canvas,pre{max-height:none;overflow:visible}button{display:none}pre,tr,.failure{break-inside:avoid}h2,h3,summary{
break-after:avoid}
.canvas svg{max-width:100%;height:auto}details::details-content{content-visibility:visible;block-size:auto}}
"""

SCRIPT = """
(function(){
var d=document,all=function(v){d.querySelectorAll("details").forEach(function(e){e.open=v})};
function show(){var e=location.hash.length>1&&d.getElementById(location.hash.slice(1)),f=e&&e.closest("details");
if(f){f.open=true;f.scrollIntoView()}}
addEventListener("hashchange",show);addEventListener("beforeprint",function(){all(true)});show();
var b=d.getElementById("all");
if(b){b.hidden=false;var opened=false;b.addEventListener("click",function(){opened=!opened;all(opened);
b.textContent=opened?"Close all":"Open all"})}
})();
"""

STYLE_HASH = "sha256-oZ75n8u4n6y/93bfontuk8JE3qt3dY7Ygw+dV7kZDhk="
SCRIPT_HASH = "sha256-EFgMFnd25tKNRrzub7AZsTVgXJO9IvGvv6zgVDwosvQ="

SHAPES = """<svg class="defs" aria-hidden="true"><defs>
<symbol id="s-completed" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7.5" fill="currentColor"/><path d="M4.6 8.3l2.4 2.4 4.5-5" fill="none" stroke="var(--card)" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"/></symbol>
<symbol id="s-passed" viewBox="0 0 16 16"><path d="M3 8.4l3.4 3.4L13 4.6" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/></symbol>
<symbol id="s-failed" viewBox="0 0 16 16"><path d="M5 .6h6L15.4 5v6L11 15.4H5L.6 11V5z" fill="currentColor"/><path d="M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2" stroke="var(--card)" stroke-width="1.9" stroke-linecap="round"/></symbol>
<symbol id="s-skipped" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.6" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="3 2.2"/><path d="M5 8h6" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/></symbol>
<symbol id="s-interrupted" viewBox="0 0 16 16"><rect x=".8" y=".8" width="14.4" height="14.4" rx="3" fill="currentColor"/><path d="M6 5v6m4-6v6" stroke="var(--card)" stroke-width="2" stroke-linecap="round"/></symbol>
<symbol id="s-warned" viewBox="0 0 16 16"><path d="M8 .9l7.4 13.6H.6z" fill="currentColor"/><path d="M8 6v4m0 2.1v.1" stroke="var(--card)" stroke-width="1.8" stroke-linecap="round"/></symbol>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 .8L7.5 4 0 7.2z"/></marker>
</defs></svg>
"""  # noqa: E501 - a path is one word
