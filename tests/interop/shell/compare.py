"""Compares what shell_compare.sh collected. Arguments: work folder, root folder in the file system, pattern."""
import re
import sys

work, root, pattern = sys.argv[1:4]


def normal(text, side):
    """Makes equal what cannot be: names of the two sides' folders, times, the log's own lines."""
    text = text.replace(f"{root}/{side}", "BASE").replace(f"{work}/{side}", "LOCAL")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?(,\d+)?", "TIME", text)
    text = re.sub(r"(?m)^(TIME|\d\d:\d\d:\d\d,\d+) (INFO|WARN|ERROR) .*\n", "", text)
    text = re.sub(r"\n(\tat .*\n)+\n?", "\n", text)  # the remote stack
    text = re.sub(r"after \d+ (seconds|minutes)", "after N", text)
    return text


def numbers(text):
    """Figures of the whole cluster, which move."""
    return re.sub(r" *[\d.]+( [KMGT])?%?", " N", text)


def read_apache():
    data = open(f"{work}/apache.out", "rb").read()
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        code, out, err = map(int, data[at:end].split())
        at = end + 1
        yield code, data[at:at + out].decode(errors="replace"), data[at + out:at + out + err].decode(errors="replace")
        at += out + err


def first(text, code):
    """The whole of a usage error; else the first line: Java adds the stack where something is really wrong."""
    if code == 255 and "Fatal internal error" not in text:
        return text
    return text.split("\n", 1)[0]


lines = open(f"{work}/lines").read().splitlines()
apache = list(read_apache())
if len(apache) != len(lines):
    sys.exit(f"Apache's side ended after {len(apache)} of {len(lines)} commands; see {work}/apache.err")
bad = shown = 0
for n, (line, (code, out, err)) in enumerate(zip(lines, apache)):
    if pattern and not re.search(pattern, line):
        continue
    shown += 1
    ours = [open(f"{work}/{name}.{n}", encoding="utf-8", errors="replace").read() for name in ("code", "out", "err")]
    want = (code, normal(out, "a"), first(normal(err, "a"), code))
    got = (int(ours[0]), normal(ours[1], "b"), first(normal(ours[2], "b"), int(ours[0])))
    if line.startswith("dfs -df"):
        want, got = (want[0], numbers(want[1]), want[2]), (got[0], numbers(got[1]), got[2])
    if want == got:
        continue
    bad += 1
    print(f"not ok {n + 1} - {line}")
    for name, w, g in zip(("code", "stdout", "stderr"), want, got):
        if w != g:
            print(f"#   {name} Apache: {str(w)!r:.600}\n#   {name} ours:   {str(g)!r:.600}")
print(f"# {shown} commands compared, {bad} differ")
sys.exit(1 if bad else 0)
