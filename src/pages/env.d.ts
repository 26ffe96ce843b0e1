/** The bindings of the Worker, which a page has none of; types of the contract name them. */
interface Env {}
