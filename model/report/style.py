"""Colours and type, light and dark, for the page and for plots on their own."""

LIGHT = """--page:#fbfaf7;--card:#ffffff;--ink:#1c1b19;--soft:#5f5d57;--faint:#8d8a82;--line:#e6e3dc;
--model:#2166c2;--fill:#2166c226;--other:#9a968c;--miss:#c8501e;--good:#1f7a43;--goodbg:#e2f1e6;
--flat:#6b6860;--flatbg:#eeebe4;--bad:#b3372c;--badbg:#f8e4e0"""
DARK = """--page:#161614;--card:#1f1e1c;--ink:#f1efe9;--soft:#b9b6ad;--faint:#8b8880;--line:#34322e;
--model:#6aa5f2;--fill:#6aa5f22e;--other:#8d8a82;--miss:#f08a55;--good:#7fd3a0;--goodbg:#1d3527;
--flat:#bdb9b0;--flatbg:#302e2a;--bad:#f2948a;--badbg:#412420"""

MARKS = """
.grid{stroke:var(--line);stroke-width:1;fill:none}
.ref{stroke:var(--faint);stroke-width:1;stroke-dasharray:4 4;fill:none}
.model{stroke:var(--model);stroke-width:2;fill:none;stroke-linejoin:round}
.actual{stroke:var(--ink);stroke-width:1.4;fill:none;stroke-linejoin:round}
.thin{stroke:var(--faint);stroke-width:1;fill:none;stroke-linejoin:round}
.other{stroke:var(--other);stroke-width:1.6;fill:none;stroke-dasharray:5 3}
.band{fill:var(--fill)}
.edge{stroke:var(--other);stroke-width:1;fill:none;stroke-dasharray:3 3}
.dot{fill:var(--model);stroke:var(--card);stroke-width:1.5}
.dot2{fill:var(--card);stroke:var(--other);stroke-width:1.8}
.miss{fill:var(--miss);stroke:var(--card);stroke-width:1}
.whisk{stroke:var(--model);stroke-width:1.6;fill:none}
.bar{fill:var(--model)}.bar2{fill:var(--other);opacity:.55}.bargap{fill:var(--miss);opacity:.45}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
svg text.num{font-variant-numeric:tabular-nums}svg text.ink{fill:var(--ink)}
svg text.m{fill:var(--model);font-weight:600}svg text.x{fill:var(--miss)}
"""

PAGE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
 font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 28px 72px}
h1{font-size:34px;line-height:1.15;letter-spacing:-.02em;margin:0 0 8px;font-weight:680}
h2{font-size:22px;letter-spacing:-.01em;margin:56px 0 6px;font-weight:650}
h3{font-size:15px;margin:0 0 4px;font-weight:650}
p{margin:0 0 14px;max-width:72ch}
.lead{font-size:18px;color:var(--soft);max-width:66ch}
.meta{color:var(--faint);font-size:13.5px;margin:0 0 28px;overflow-wrap:anywhere;max-width:none}
.soft{color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(225px,1fr));gap:16px;margin:24px 0 8px}
.card,figure{background:var(--card);border:1px solid var(--line);border-radius:12px}
.card{padding:18px 18px 14px;display:flex;flex-direction:column}
.card .big{font-size:32px;line-height:1.1;font-weight:680;letter-spacing:-.02em;margin:10px 0 2px;
 font-variant-numeric:tabular-nums}
.card .ci{font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums;margin-bottom:8px}
.card p{font-size:14px;line-height:1.45;color:var(--soft);margin:0}
.top{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:center;gap:8px}
.chips{display:flex;flex-wrap:wrap;gap:4px}
.chip{font-size:12px;font-weight:650;border-radius:99px;padding:2px 10px;white-space:nowrap}
.skill{color:var(--good);background:var(--goodbg)}
.none{color:var(--flat);background:var(--flatbg)}
.worse{color:var(--bad);background:var(--badbg)}
.now{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px 10px;margin:0 0 28px;
 display:grid;grid-template-columns:5fr 7fr;gap:12px 32px}
.now h2{margin:0;font-size:17px}.now .big{font-size:40px;line-height:1.1;font-weight:680;letter-spacing:-.02em;
 margin:8px 0 2px;font-variant-numeric:tabular-nums}
.now .ci{font-size:16px;margin-bottom:10px;font-variant-numeric:tabular-nums}.now p,.now li{font-size:14.5px}
.now ul{list-style:none;padding:0;margin:8px 0 0}.now li{padding:5px 0}.now li span:last-child{color:var(--soft)}
figure{margin:18px 0;padding:18px 18px 14px}
figcaption{font-size:14px;color:var(--soft);margin-top:6px;max-width:78ch}
figure h3{margin-bottom:2px}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);margin:0 0 6px}
.key svg{display:inline-block;vertical-align:-2px;margin-right:5px}
svg{display:block;max-width:100%;height:auto}td svg{max-width:none}
.wide{display:block}.narrow{display:none}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:18px}
.pair figure{margin:0}
.pair+.pair,.pair+p{margin-top:18px}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:12px;margin:18px 0}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:9px 14px;text-align:left;border-bottom:1px solid var(--line);vertical-align:middle}
tr:last-child td{border-bottom:0}
th{font-weight:600;color:var(--soft);font-size:13px;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
details{border-top:1px solid var(--line);padding:10px 0}
details:last-of-type{border-bottom:1px solid var(--line)}
summary{cursor:pointer;font-weight:600}
footer{margin-top:48px;color:var(--faint);font-size:13px}
@media(max-width:720px){
 main{padding:26px 16px 48px}h1{font-size:27px}h2{font-size:20px;margin-top:44px}
 .lead{font-size:16.5px}.wide{display:none}.narrow{display:block}.pair,.now{grid-template-columns:1fr}.now{padding:16px}
 figure{padding:14px 12px 12px}.cards{gap:12px}th,td{padding:8px 10px}
 table.stack thead{display:none}table.stack,table.stack tbody,table.stack tr,table.stack td{display:block}
 table.stack tr{border-bottom:1px solid var(--line);padding:10px 2px;display:grid;grid-template-columns:1fr 1fr}
 table.stack td.last{grid-row:1;grid-column:2;justify-self:end}
 table.stack tr:last-child{border-bottom:0}
 table.stack td{border:0;padding:2px 12px;text-align:left}
 table.stack td[data-h]:before{content:attr(data-h) " ";color:var(--faint);font-size:12.5px}
}
@media print{body{background:#fff}figure,.card{break-inside:avoid}}
"""


def page_css() -> str:
    """The whole style sheet of the report."""
    return (
        f":root{{color-scheme:light dark;{LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}{MARKS}{PAGE}"
    ).replace("\n", "")


def plot_css() -> str:
    """The style of a plot in a file of its own."""
    return (
        f"svg{{{LIGHT}}}svg[role=img]{{background:var(--card)}}@media(prefers-color-scheme:dark){{svg{{{DARK}}}}}{MARKS}"
    ).replace("\n", "")
