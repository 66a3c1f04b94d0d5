package reconcile

// Annotations by which tagline recognises its own indexes.
const (
	AnnotationAlias  = "dev.tagline.alias"  // of an index: the alias tag it was made for
	AnnotationSource = "dev.tagline.source" // of an entry: the source it was taken from
)
