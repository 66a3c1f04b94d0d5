package report

import (
	"fmt"
	"slices"
	"strings"
)

// phrase is a part of a verdict: "3 tags move".
type phrase struct {
	n         int
	noun      string
	one, many string
}

// verdict says in words what a run did, or would do: "3 tags move, 1 is new, 2 are
// blocked".
func (r *Run) verdict(concerns []concern) string {
	if len(r.Repositories) == 0 {
		return r.verdictOfFiles(concerns)
	}
	totals := r.totals()
	pushes, freed := r.acts()
	wrong := wrongIn(concerns)
	move, loses, lose, is, are := "moved", "lost its attestations", "lost their attestations", "was", "were"
	movesOne := move
	if r.DryRun {
		movesOne, move, loses, lose, is, are = "moves", "move", "loses its attestations", "lose their attestations", "is", "are"
	}
	amount := ""
	if freed > 0 {
		amount = " (" + Bytes(freed) + ")"
	}
	phrases := []phrase{
		{pushes[moves], "tag", movesOne, move},
		{pushes[isNew], "tag", "is new", "are new"},
		{wrong.blockedTags, "tag", "is blocked", "are blocked"},
		{wrong.failedTags, "tag", "failed", "failed"},
		{pushes[completes], "tag", is + " completed", are + " completed"},
		{pushes[purges], "tag", loses, lose},
		{totals.deleteTags, "tag", is + " deleted", are + " deleted"},
		{wrong.blockedImages, "image", "is blocked in part", "are blocked in part"},
		{totals.deleteManifests, "manifest", is + " deleted" + amount, are + " deleted" + amount},
		{totals.putBack, "manifest", is + " put back", are + " put back"},
		{wrong.manifests, "manifest", "could not be deleted or put back", "could not be deleted or put back"},
		{wrong.inFiles, "problem", "is in the files", "are in the files"},
		{wrong.stopped, "problem", "stopped the run", "stopped the run"},
	}
	switch {
	case slices.ContainsFunc(phrases, func(p phrase) bool { return p.n > 0 }):
		return sentence(append(phrases, phrase{totals.leftAlone, "alias", is + " left alone", are + " left alone"}))
	case totals.waiting > 0:
		return "Nothing to do now: " + totals.unchanged()
	}
	return "Nothing to do: " + totals.unchanged()
}

// acts counts what a run did to tags, or would do, and the bytes that it freed.
func (r *Run) acts() (pushes map[act]int, freed int64) {
	pushes = map[act]int{}
	for _, repository := range r.Repositories {
		for i, p := range repository.Pushes {
			if err, _ := Tried(repository.Pushed, i); err == nil && !Already(repository.Pushed, i) {
				pushes[actOf(p)]++
			}
		}
		for i, d := range repository.DeleteManifests {
			if err, _ := Tried(repository.Removed, i); err == nil && !Already(repository.Removed, i) {
				freed += d.Bytes
			}
		}
	}
	return pushes, freed
}

// wrongs counts concerns by what they are about.
type wrongs struct {
	failedTags, blockedTags int
	blockedImages           int // what is blocked there is no tag
	manifests               int // that were not deleted or put back
	inFiles                 int // problems of images.yaml and compose files
	stopped                 int // failures of the run itself
}

func wrongIn(concerns []concern) (n wrongs) {
	for _, c := range concerns {
		switch {
		case c.state == isWarned:
		case c.manifests > 0:
			n.manifests += c.manifests
		case c.image == "" && c.state == isFailed:
			n.stopped++
		case c.state == isFailed:
			n.failedTags++
		case c.image == "":
			n.inFiles++
		case c.tag == "":
			n.blockedImages++
		default:
			n.blockedTags++
		}
	}
	return n
}

// sentence joins phrases. A noun is not said again: "3 tags move, 1 is new".
func sentence(phrases []phrase) string {
	var parts []string
	said := ""
	for _, p := range phrases {
		if p.n == 0 {
			continue
		}
		text := fmt.Sprint(p.n)
		if p.noun != said {
			text, said = Count(p.n, p.noun), p.noun
		}
		parts = append(parts, text+" "+verb(p.n, p.one, p.many))
	}
	return strings.Join(parts, ", ")
}

// verdictOfFiles is the verdict of a check, or of a run that stopped before it
// looked at a repository.
func (r *Run) verdictOfFiles(concerns []concern) string {
	warned := count(concerns, isWarned)
	wrong := len(concerns) - warned
	for _, f := range r.Findings {
		switch {
		case f.More == 0:
		case f.Warning:
			warned += f.More - 1 // the finding that counts them is none of them
		default:
			wrong += f.More - 1
		}
	}
	switch {
	case wrong > 0 && warned > 0:
		return Count(wrong, "problem") + ", " + Count(warned, "warning")
	case wrong > 0:
		return Count(wrong, "problem")
	case warned > 0:
		return "No problem, " + Count(warned, "warning")
	case r.Listed == 0:
		return "No problem found"
	}
	return fmt.Sprintf("No problem found in %s, %s", Count(r.Listed, "image"), Count(r.Aliases, "alias"))
}
