package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/policies"
)

var benchmarks = flag.String("benchmarks", "", "measure side by side, and write the results to this `FILE`")

// TestSideBySide measures tagline beside the least that its work can cost and
// beside other tools, on CNCF distribution behind a proxy that counts and
// delays. It is what `make bench` runs.
func TestSideBySide(t *testing.T) {
	if *benchmarks == "" {
		t.Skip("`make bench` runs it, for minutes")
	}
	var p page
	p.head()
	f := newFarm(t)
	for _, section := range []struct {
		name    string
		measure func(*farm)
	}{
		{"two hundred", p.twoHundred},
		{"concurrency", p.concurrency},
		{"ten thousand", p.tenThousand},
		{"shards", p.shards},
		{"trees", p.trees},
		{"start", p.start},
		{"profile", func(*farm) { p.profile() }},
	} {
		t.Run(section.name, func(t *testing.T) {
			f.t = t
			section.measure(f)
			t.Logf("\n%s", p.text())
		})
	}
	if t.Failed() {
		return
	}
	if err := os.WriteFile(*benchmarks, []byte(p.text()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *page) head() {
	output := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name\t: "); ok {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	p.say(`# Benchmarks

`+"`make bench`"+` writes this page. It runs the command as its users do, on CNCF
distribution, the reference registry, behind a proxy on loopback that counts
requests and delays each of them. Registry, proxy and client share one machine,
so that times say little and ratios within one run say more.

- %s, %d processors, %s, %s
- distribution v3.1.2, crane v0.22.1, regctl v0.11.7
- load average of the machine when it began: %s; more than its processors means
  that other work took part in every figure

The floor is a bare HTTP client that keeps its connections, parses nothing and
decides nothing: for a run with nothing to do, one HEAD for each alias and each
of its sources; for one that pushes, the very requests of that run once more.
Wall time of tagline and of its peers is that of the process, start included.
Each figure is the median of its runs; x floor is the median of the ratios to the
floor that was measured just before.

BARS
`, model, runtime.NumCPU(), output("uname", "-sr"), runtime.Version(), output("cut", "-d ", "-f1", "/proc/loadavg"))
}

const tableHead = "| | requests | an alias | wall ms | x floor | MB |\n| --- | --- | --- | --- | --- | --- |"

// twoHundred are aliases of two plain images each.
func (p *page) twoHundred(f *farm) {
	const aliases, runs = 200, 5
	f.push("bench", aliases)
	file := f.imagesYAML([]string{"bench"}, aliases)
	f.apply(file, "--cache-dir", "off")
	p.say("## 200 aliases of two plain images each, 16 requests at a time\n")
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		f.proxy.SetLatency(latency)
		cache := f.t.TempDir()
		f.apply(file, "--concurrency", "16", "--cache-dir", cache)
		var floor []time.Duration
		var warm, cold, create, first series
		for range runs {
			least := f.floor([]string{"bench"}, aliases)
			floor = append(floor, least)
			warm.add(f.apply(file, "--concurrency", "16", "--cache-dir", cache), least)
			cold.add(f.apply(file, "--concurrency", "16", "--cache-dir", f.t.TempDir()), least)
		}
		for range runs {
			for s, dir := range map[*series]string{&create: cache, &first: f.t.TempDir()} {
				f.forget("bench", aliases)
				c := f.apply(file, "--concurrency", "16", "--cache-dir", dir)
				s.add(c, replay(f.t, f.proxy.Host, c.trace))
			}
		}
		p.say("%v of latency:\n\n%s", latency, tableHead)
		p.say("| floor of a no-op | %d | %d | %s | 1 | |", 3*aliases, 3, ms(median(floor)))
		p.say("%s\n%s\n%s\n%s", warm.row("no-op", aliases), cold.row("no-op, without a cache yet", aliases),
			create.row("create", aliases), first.row("create, without a cache yet", aliases))
		for _, peer := range []struct {
			name string
			args func(repository string, i int) []string
		}{
			{"crane", func(r string, i int) []string {
				return []string{"index", "append", "-m", fmt.Sprintf("%s:%d.10", r, i), "-m", fmt.Sprintf("%s:%d.20", r, i), "-t", fmt.Sprintf("%s:crane-%d", r, i)}
			}},
			{"regctl", func(r string, i int) []string {
				return []string{"--host", "reg=" + f.proxy.Host + ",tls=disabled", "index", "create", fmt.Sprintf("%s:regctl-%d", r, i), "--ref", fmt.Sprintf("%s:%d.10", r, i), "--ref", fmt.Sprintf("%s:%d.20", r, i)}
			}},
		} {
			const sample = 10
			var once series
			for n := range 2 * sample {
				c := f.run(program(f.t, peer.name), peer.args(f.proxy.Host+"/bench", n%sample)...)
				if n >= sample { // the first time it creates
					once.add(c, median(floor))
				}
			}
			wall := once.wall() * aliases
			p.say("| %s, no-op, one by one (median of %d, times %d) | %d | %d | %s | %.1f | %.0f |", peer.name, sample, aliases,
				once.requests()*aliases, once.requests(), ms(wall), float64(wall)/float64(median(floor)), once.memory())
			if peer.name == "crane" && latency > 0 {
				faster := float64(wall) / float64(warm.wall())
				p.bar("no-op beside `crane index append` one by one, 20 ms", "30 x less wall time", fmt.Sprintf("%.0f x", faster), faster >= 30)
			}
		}
		p.say("")
		if latency == 0 {
			continue
		}
		p.bar("no-op, 200 aliases, 20 ms, 16 at a time, warm cache", "3 requests an alias and a ping, 1.15 x floor",
			fmt.Sprintf("%d requests, %.2f x", warm.requests(), warm.ratio()), warm.requests() == 3*aliases+1 && warm.ratio() <= 1.15)
		perAlias := float64(cold.requests()-1) / aliases
		p.bar("the same, cold", "5 requests an alias (each config once), 1.8 x floor",
			fmt.Sprintf("%.2f requests an alias, %.2f x", perAlias, cold.ratio()), perAlias <= 5 && cold.ratio() <= 1.8)
		puts := median(collect(create.costs, func(c cost) int { return c.count(http.MethodPut) }))
		p.bar("create, 200 aliases, 20 ms", "1.3 x the floor of its requests, PUTs = aliases",
			fmt.Sprintf("%.2f x, %.2f x without a cache yet, %d PUTs", create.ratio(), first.ratio(), puts),
			create.ratio() <= 1.3 && first.ratio() <= 1.3 && puts == aliases)
	}
	f.proxy.SetLatency(0)
}

// concurrency is what --concurrency should be.
func (p *page) concurrency(f *farm) {
	const aliases, runs = 200, 3
	file := f.imagesYAML([]string{"bench"}, aliases)
	cache := f.t.TempDir()
	f.apply(file, "--cache-dir", cache)
	p.say("## --concurrency\n\nThe same 200 aliases with nothing to do and a warm cache, in ms:\n\n| requests at a time | 0 ms | 20 ms | 100 ms |\n| --- | --- | --- | --- |")
	for _, atOnce := range []string{"1", "4", "8", "16", "32", "64"} {
		row := "| " + atOnce
		for _, latency := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
			f.proxy.SetLatency(latency)
			var s series
			for range runs {
				s.add(f.apply(file, "--concurrency", atOnce, "--cache-dir", cache), 1)
				if s.wall() > 3*time.Second {
					break
				}
			}
			row += " | " + ms(s.wall())
		}
		p.say("%s |", row)
	}
	f.proxy.SetLatency(0)
	p.say(`
Without latency the machine is the limit, from 4 requests at a time on; with it,
time halves with each doubling. 16 is the default: most of what there is to win,
and still a polite number for a job that runs every ten minutes on a registry
that others use too. A registry of your own may bear more.
`)
}

// tenThousand are aliases of one repository.
func (p *page) tenThousand(f *farm) {
	const aliases = 10000
	f.seed("large", aliases)
	file := f.imagesYAML([]string{"large"}, aliases)
	cache := f.t.TempDir()
	var create, warm, off series
	c := f.apply(file, "--cache-dir", cache)
	create.add(c, replay(f.t, f.proxy.Host, c.trace))
	least := f.floor([]string{"large"}, aliases)
	for range 3 {
		warm.add(f.apply(file, "--cache-dir", cache), least)
	}
	off.add(f.apply(file, "--cache-dir", "off"), least)
	p.say("## 10,000 aliases in one repository, no latency\n\n%s\n%s\n%s\n%s\n", tableHead,
		warm.row("no-op", aliases), off.row("no-op, no cache", aliases), create.row("create, without a cache yet", aliases))
	p.bar("no-op, 10,000 aliases in one repository, 0 ms", "under 150 MB, 1 request a distinct tag and the ping",
		fmt.Sprintf("%.0f MB, %d requests", warm.memory(), warm.requests()), warm.memory() < 150 && warm.requests() == 3*aliases+1)

	data, err := os.ReadFile(file)
	if err != nil {
		f.t.Fatal(err)
	}
	var parse []time.Duration
	for range 10 {
		start := time.Now()
		if _, err := config.Parse(file, data, config.Options{Registry: f.proxy.Host, Policies: policies.Keys()}); err != nil {
			f.t.Fatal(err)
		}
		parse = append(parse, time.Since(start))
	}
	p.bar("parse of images.yaml with 10,000 aliases", "150 ms", ms(median(parse))+" ms", median(parse) < 150*time.Millisecond)
}

// profile is what the profiles of ten thousand aliases have led to, and those of a
// start.
func (p *page) profile() {
	p.say(`## What the profiles of 10,000 aliases led to

` + "`go test -run '^$' -bench Plan -cpuprofile cpu -memprofile mem ./reconcile`" + ` has all of
a run but the requests. A whole run takes 10 s on the first machine, of which 3 s
are its own processor time, two thirds of that HTTP. What was found, and changed:

| found | changed |
| --- | --- |
| 24 of 75 MB live: what every alias should be, kept to the end | kept for those that another alias follows; of the others, the digests that they list |
| 14 MB live in a run that creates them: the HTTP request of each tag that is not there yet, in its error | the error lets go of it: 234 MB became 180 MB |
| 3 MB live: the maps of the cache, emptied by what the run has used | let go of |
| 50 MB of garbage: the list of policies, put together anew for each alias | put together once |
| a peak of twice what is live | the collector runs twice as often (GOGC 50, unless it is set): 160 MB became 120 MB, for 0.2 s |
| 0.4 ms to make a file for each manifest in the cache, as long as a request | one file a repository |
| log lines put together for every request, and thrown away | only with -vv |
| GET /v2/ a second time now and then, where three repositories began at once | looked up again before it is asked |
| without a cache: a config for every source | the index of the alias, which tells the platforms of the images it has, where that is less |

## What a start costs

` + "`GODEBUG=inittrace=1 tagline version`" + ` lists what each package does before main: 16 ms
in all, where it was 4 ms before tagline read compose files. 6 to 8 ms are those of
one package. compose-go checks compose files with santhosh-tekuri/jsonschema, which
compiles the meta-schemas of JSON Schema in every process, needed or not; so do the
newest versions, v2.16.2 and v6.0.3. The regular expressions of tagline take 3 ms.
Neither the library nor a plain regexp.MustCompile is given up for that, so
` + "`tagline version`" + ` takes more than twice as long as ` + "`crane version`" + `, and each
run above some 13 ms longer than before.

Each run takes 7 MB more, too. 4 MB are pages of the larger binary, which the kernel
can take back; the rest is what the same packages keep.
`)
}

// shards are a thousand repositories in one, two and four parts.
func (p *page) shards(f *farm) {
	const repositories, aliases, parts = 1000, 10, 4
	names := make([]string, repositories)
	for i := range names {
		names[i] = fmt.Sprintf("team-%d/app-%d", i%7, i)
	}
	each(repositories, 8, func(i int) { f.seed(names[i], aliases) })
	file := f.imagesYAML(names, aliases)
	f.apply(file, "--cache-dir", "off")
	asked := func(c cost) (paths []string) {
		for _, r := range c.trace {
			if r.Kind != "v2" {
				paths = append(paths, r.Method+" "+r.Path)
			}
		}
		slices.Sort(paths)
		return paths
	}
	cache := f.t.TempDir()
	least := f.floor(names, aliases)
	var warm, off series
	off.add(f.apply(file, "--cache-dir", cache), least)
	whole := f.apply(file, "--cache-dir", cache)
	warm.add(whole, least)
	p.say("## 1,000 repositories of 10 aliases, no latency\n\n%s\n%s\n%s", tableHead,
		warm.row("no-op", repositories*aliases), off.row("no-op, without a cache yet", repositories*aliases))
	var union []string
	worstRequests, worstWall := 0.0, 0.0
	for i := range parts {
		var part series
		c := f.apply(file, "--cache-dir", cache, "--shard", fmt.Sprintf("%d/%d", i, parts))
		part.add(c, least)
		union = append(union, asked(c)...)
		worstRequests = max(worstRequests, float64(len(c.trace))*parts/float64(len(whole.trace)))
		worstWall = max(worstWall, float64(c.wall)*parts/float64(whole.wall))
		p.say("%s", part.row(fmt.Sprintf("no-op, `--shard %d/%d`", i, parts), repositories*aliases))
	}
	slices.Sort(union)
	same := slices.Equal(union, asked(whole))
	p.say("")
	p.bar("1,000 repositories x 10 aliases, 4 shards", "together the whole; each at most 1.3 x a quarter",
		fmt.Sprintf("the same requests: %v; %.2f x the requests, %.2f x the wall time at most", same, worstRequests, worstWall),
		same && worstRequests <= 1.3 && worstWall <= 1.3)
}

// trees are ten thousand files of a repository each. The registry has the
// repositories of one part in a hundred.
func (p *page) trees(f *farm) {
	const aliases, parts = 100, 100
	p.say("## Many files: `check`\n\n| files | aliases | wall ms | processor ms | MB |\n| --- | --- | --- | --- | --- |")
	folder := ""
	for _, files := range []int{100, 1000, 10000} {
		folder = f.tree(files, aliases)
		var check series
		for range 3 {
			check.add(f.run(program(f.t, "tagline"), "check", "-f", folder, "--registry", f.proxy.Host), 1)
		}
		cpu := median(collect(check.costs, func(c cost) time.Duration { return c.cpu }))
		p.say("| %d | %d | %s | %s | %.0f |", files, files*aliases, ms(check.wall()), ms(cpu), check.memory())
		if files == 10000 {
			p.bar("check of 10,000 files, 1,000,000 aliases", "15 s on two processors, 400 MB",
				fmt.Sprintf("%.1f s, of the processors %.1f s, %.0f MB", check.wall().Seconds(), cpu.Seconds(), check.memory()),
				check.wall() < 15*time.Second && check.memory() < 400)
		}
	}
	p.say("")
	var own []string
	for i := range 10000 {
		if name := treeName(i); (shard{0, parts}).has(config.Repository{Host: f.proxy.Host, Path: name}) {
			own = append(own, name)
		}
	}
	each(len(own), 8, func(i int) { f.seed(own[i], aliases) })
	flat, cache := f.imagesYAML(own, aliases), f.t.TempDir()
	f.apply(flat, "--cache-dir", cache)
	least := f.floor(own, aliases)
	var alone, part series
	for range 3 {
		alone.add(f.apply(flat, "--cache-dir", cache), least)
		part.add(f.apply(folder, "--cache-dir", cache, "--shard", fmt.Sprintf("0/%d", parts)), least)
	}
	p.say("## One part in a hundred of 1,000,000 aliases, no latency\n\n%s\n%s\n%s\n", tableHead,
		part.row(fmt.Sprintf("no-op, `--shard 0/%d` of 10,000 files", parts), len(own)*aliases), alone.row("no-op, a file with the same images alone", len(own)*aliases))
	p.bar("part 0/100 of 1,000,000 aliases, no-op", "100 MB, the requests of its own aliases",
		fmt.Sprintf("%.0f MB (a file of its own: %.0f MB), %d requests (%d)", part.memory(), alone.memory(), part.requests(), alone.requests()),
		part.memory() < 100 && part.requests() == alone.requests())
}

// start is what every run pays.
func (p *page) start(f *farm) {
	var own, crane series
	for range 20 {
		own.add(f.run(program(f.t, "tagline"), "version"), 1)
		crane.add(f.run(program(f.t, "crane"), "version"), 1)
	}
	ratio := float64(own.wall()) / float64(crane.wall())
	p.bar("`tagline version` beside `crane version`", "2 x", fmt.Sprintf("%.2f x (%.1f ms)", ratio, float64(own.wall().Microseconds())/1000), ratio <= 2)
}
