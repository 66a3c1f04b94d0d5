package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tagline/reconcile/report"
)

// inActions reports whether GitHub Actions runs this (docs.github.com,
// "Variables reference").
func inActions() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// grouped reports whether a stream is the log of a step in GitHub Actions, which is a
// pipe. A report that is redirected to a file has no groups.
func (a *app) grouped(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || w != a.stdout || !inActions() {
		return false
	}
	info, err := f.Stat()
	return err == nil && !info.Mode().IsRegular()
}

// actions adds what a step of GitHub Actions should have without flags: the step
// summary, the outputs of the step, and annotations, on stderr because stdout is
// the report. If one can't be written, that is a warning, since no flag asked for
// it.
func (o *outputs) actions() {
	if !inActions() {
		return
	}
	o.whole = true
	for _, d := range []struct {
		variable string
		render   func(report.Run) []byte
	}{
		{"GITHUB_STEP_SUMMARY", report.Markdown},
		{"GITHUB_OUTPUT", report.StepOutputs},
	} {
		path := os.Getenv(d.variable)
		if path == "" || o.paths[absolute(path)] != "" {
			continue
		}
		add := func(data []byte) error { return appendTo(path, data) }
		if err := add(nil); err != nil {
			o.a.warn("%s: %v; this step goes without", d.variable, err)
			continue
		}
		o.documents = append(o.documents, document{"$" + d.variable, d.render, add})
	}
	if !o.asked("github") {
		o.documents = append(o.documents, document{"annotations", report.GitHub, func(data []byte) error {
			_, err := o.a.stderr.Write(data)
			return err
		}})
	}
}

// appendTo adds to a file to which other commands of the same step write as well.
func appendTo(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// inCheckout returns the current folder, relative to the root of the forge's
// checkout. It is "" for the root, and if it is not known.
func inCheckout() string {
	folder, _ := below(checkout())
	return folder
}

// checkout returns the folder that a forge's job checks its repository out to, ""
// if no forge runs this.
func checkout() string {
	for _, variable := range []string{"GITHUB_WORKSPACE", "CI_PROJECT_DIR"} {
		if root := os.Getenv(variable); root != "" {
			return root
		}
	}
	return ""
}

// below returns the current folder, relative to one that it is in, with "" for that
// one itself.
func below(root string) (folder string, ok bool) {
	here, err := os.Getwd()
	if root == "" || err != nil {
		return "", false
	}
	if here, err = filepath.EvalSymlinks(here); err != nil {
		return "", false
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", false
	}
	inside, err := filepath.Rel(root, here)
	if err != nil || !filepath.IsLocal(inside) {
		return "", false
	}
	if inside == "." {
		inside = ""
	}
	return filepath.ToSlash(inside), true
}

// forge returns where GitHub or GitLab shows the files of this job. Outside of a
// job, and of its work tree, it is the zero Forge.
func forge() report.Forge {
	blob := ""
	switch server, repository, project := os.Getenv("GITHUB_SERVER_URL"), os.Getenv("GITHUB_REPOSITORY"), os.Getenv("CI_PROJECT_URL"); {
	case inActions() && server != "" && repository != "" && githubCommit() != "":
		blob = fmt.Sprintf("%s/%s/blob/%s/", server, repository, githubCommit())
	case project != "" && os.Getenv("CI_COMMIT_SHA") != "":
		blob = fmt.Sprintf("%s/-/blob/%s/", project, os.Getenv("CI_COMMIT_SHA"))
	}
	root := checkout()
	if _, err := os.Stat(filepath.Join(root, ".git")); blob == "" || err != nil {
		return report.Forge{} // a folder that several repositories are checked out to, perhaps
	}
	folder, ok := below(root)
	if !ok {
		return report.Forge{}
	}
	return report.Forge{Blob: blob, Folder: folder}
}

// githubCommit returns the commit to link to. On a pull request, GITHUB_SHA is a
// merge that GitHub drops with the next push, so it is the head of the pull request
// (docs.github.com, "Events that trigger workflows", pull_request).
func githubCommit() string {
	var event struct {
		PullRequest struct {
			Head struct {
				SHA string `json:"sha"`
			} `json:"head"`
		} `json:"pull_request"`
	}
	if data, err := os.ReadFile(os.Getenv("GITHUB_EVENT_PATH")); err == nil {
		_ = json.Unmarshal(data, &event) // another event, if it is none of these
	}
	return cmp.Or(event.PullRequest.Head.SHA, os.Getenv("GITHUB_SHA"))
}

// warn writes a warning to stderr.
func (a *app) warn(format string, args ...any) {
	_, _ = fmt.Fprintln(above{a}, "tagline: warning: "+report.Printable(fmt.Sprintf(format, args...)))
}
