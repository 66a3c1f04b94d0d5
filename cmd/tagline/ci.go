package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"tagline/reconcile/report"
)

// What the variables of a CI job say. GitHub Actions, GitLab and Jenkins are known.

// inActions reports whether GitHub Actions runs this (docs.github.com,
// "Variables reference").
func inActions() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// ciJob returns the address of the CI job that runs this, "" if there is none.
func ciJob() string {
	if inActions() {
		return os.Getenv("GITHUB_SERVER_URL") + "/" + os.Getenv("GITHUB_REPOSITORY") + "/actions/runs/" + os.Getenv("GITHUB_RUN_ID")
	}
	for _, variable := range []string{"CI_JOB_URL", "BUILD_URL"} {
		if address := os.Getenv(variable); address != "" {
			return address
		}
	}
	return ""
}

// ciCommit returns the commit of images.yaml, "" if it is not known. On a pull
// request, GITHUB_SHA is a merge that GitHub drops with the next push, so it is the
// head of the pull request (docs.github.com, "Events that trigger workflows",
// pull_request).
func ciCommit() string {
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
	return cmp.Or(event.PullRequest.Head.SHA, os.Getenv("GITHUB_SHA"), os.Getenv("CI_COMMIT_SHA"), os.Getenv("GIT_COMMIT"))
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
	case ciCommit() == "":
	case inActions() && server != "" && repository != "":
		blob = fmt.Sprintf("%s/%s/blob/%s/", server, repository, ciCommit())
	case project != "":
		blob = fmt.Sprintf("%s/-/blob/%s/", project, ciCommit())
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
