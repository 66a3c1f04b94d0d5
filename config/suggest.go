package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

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
// case unless two are as close, or "" if each takes more than one edit for every three letters. An edit
// inserts, deletes or replaces a letter, or swaps it with its neighbour
// (optimal string alignment).
func Closest(word string, known []string) string {
	if len(word) > maxQuoted {
		return ""
	}
	best, fewest, exact := "", len(word), 0
	lower, letters := strings.ToLower(word), utf8.RuneCountInString(word)
	for _, k := range known {
		allowed := (max(len(word), len(k)) + 2) / 3
		if longer := utf8.RuneCountInString(k) - letters; max(longer, -longer) > allowed {
			continue // each letter more or less is an edit
		}
		edits := edlib.OSADamerauLevenshteinDistance(lower, strings.ToLower(k))
		if edits > allowed || edits > fewest || edits == fewest && best == "" {
			continue
		}
		withCase := edlib.OSADamerauLevenshteinDistance(word, k)
		if edits < fewest || withCase < exact {
			best, fewest, exact = k, edits, withCase
		}
	}
	return best
}
