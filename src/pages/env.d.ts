/** The type of the Worker's bindings, which types of the contract name; a page has none. */
interface Env {}
