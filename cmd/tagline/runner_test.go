package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"

	crane "github.com/google/go-containerregistry/cmd/crane/cmd"
	"github.com/rogpeppe/go-internal/testscript"
)

// runner runs the commands of one script that are written `tagline apply`, without
// exec: it is a process of this test binary that lives as long as the script. Scripts
// run tagline a thousand times, and each new process takes 20 ms of a processor before
// main, which is longer than most of these runs take.
//
// What a process would show stays untested then: that runs share no memory, and what
// main does around [run]. So `make test` starts a process for each command, as users
// do. `exec tagline` is a process everywhere; commands with stdin or `&` need it.
type runner struct {
	tasks io.WriteCloser
	done  *json.Decoder
}

// task is a command to run. Its first argument is tagline or crane.
type task struct {
	Args, Env []string
	Dir       string
}

// result is what a task did.
type result struct {
	Stdout, Stderr []byte
	Code           int
}

// everyProcess reports whether each command of a script is a process of its own.
func everyProcess() bool { return os.Getenv("TAGLINE_TEST_TOOLS") != "" }

// startRunner starts the runner of a script.
func startRunner(env *testscript.Env) error {
	if everyProcess() {
		return nil
	}
	cmd := exec.Command("runner")
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOGC=400"), os.Stderr
	tasks, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	done, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	env.Values["runner"] = runner{tasks, json.NewDecoder(done)}
	env.Defer(func() { _, _ = tasks.Close(), cmd.Wait() })
	return cmd.Start()
}

// running is a command of scripts that succeeds if tagline or crane does.
func running(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if code := runTask(ts, append([]string{name}, args...)); (code != 0) != negated {
			ts.Fatalf("exit code %d", code)
		}
	}
}

// exits is the command of scripts that wants an exit code, or one of several.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if code := strconv.Itoa(runTask(ts, args[1:])); !slices.Contains(strings.Split(args[0], ","), code) {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// runTask runs a task as testscript's exec would, and returns its exit code. stdout
// and stderr are what it printed.
func runTask(ts *testscript.TestScript, args []string) int {
	r, ok := ts.Value("runner").(runner)
	if !ok {
		err := ts.Exec(args[0], args[1:]...)
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return exit.ExitCode()
		}
		ts.Check(err)
		return 0
	}
	t := task{Args: args, Dir: ts.MkAbs(".")}
	env := reflect.ValueOf(ts).Elem().FieldByName("env") // there is no method that returns it
	for i := range env.Len() {
		t.Env = append(t.Env, env.Index(i).String())
	}
	ts.Check(json.NewEncoder(r.tasks).Encode(t))
	var did result
	ts.Check(r.done.Decode(&did)) // or the runner has ended, and said why
	_, _ = ts.Stdout().Write(did.Stdout)
	_, _ = ts.Stderr().Write(did.Stderr)
	return did.Code
}

// runTasks is the runner: it runs one task after the other, until its stdin ends.
func runTasks() {
	tasks, done := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var t task
	for tasks.Decode(&t) == nil {
		did, err := t.run()
		if err = errors.Join(err, done.Encode(did)); err != nil {
			panic(err)
		}
		t = task{}
	}
}

// run gives a task what it would have as a process: its folder, its variables, an
// empty stdin, and pipes for stdout and stderr.
func (t task) run() (did result, err error) {
	os.Clearenv()
	for _, variable := range append(t.Env, "PWD="+t.Dir) {
		name, value, _ := strings.Cut(variable, "=")
		err = errors.Join(err, os.Setenv(name, value))
	}
	stdout, printed, err1 := pipe()
	stderr, complained, err2 := pipe()
	stdin, err3 := os.Open(os.DevNull)
	if err = errors.Join(err, os.Chdir(t.Dir), err1, err2, err3); err != nil {
		return did, err
	}
	os.Stdin, os.Stdout, os.Stderr = stdin, stdout, stderr
	if t.Args[0] == "tagline" {
		did.Code = run(context.Background(), t.Args[1:], stdout, stderr)
	} else {
		root := crane.New("crane", "", nil)
		root.SetArgs(t.Args[1:])
		did.Code = codeOf(root.Execute())
	}
	err = errors.Join(stdin.Close(), stdout.Close(), stderr.Close())
	did.Stdout, did.Stderr = <-printed, <-complained
	return did, err
}

// pipe returns what is written to a file, once that is closed.
func pipe() (*os.File, <-chan []byte, error) {
	r, w, err := os.Pipe()
	written := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(r)
		_ = r.Close()
		written <- all
	}()
	return w, written, err
}
