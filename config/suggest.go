package config

import (
	"fmt"
	"strings"

	"github.com/hbollon/go-edlib"
)

// didYouMean returns `; did you mean "platforms"?`, or "" if no known word is
// close.
func didYouMean(word string, known []string) string {
	if k := Closest(word, known); k != "" {
		return fmt.Sprintf("; did you mean %q?", k)
	}
	return ""
}

// Closest returns the known word that takes the fewest edits to reach, ignoring
// case, or "" if each takes more than one edit for every three letters. An edit
// inserts, deletes or replaces a letter, or swaps it with its neighbour
// (optimal string alignment).
func Closest(word string, known []string) string {
	if len(word) > maxQuoted {
		return ""
	}
	best, fewest := "", len(word)
	for _, k := range known {
		edits := edlib.OSADamerauLevenshteinDistance(strings.ToLower(word), strings.ToLower(k))
		if allowed := (max(len(word), len(k)) + 2) / 3; edits <= allowed && edits < fewest {
			best, fewest = k, edits
		}
	}
	return best
}
