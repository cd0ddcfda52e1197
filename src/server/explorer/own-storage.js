const namespace = "tributary:";

const ownKeys = () => Object.keys(localStorage).filter(key => key.startsWith(namespace));

/** The explorer's own corner of the browser's storage: other programs that use the same host and port neither see nor change it. */
export const ownStorage = {
  getItem: key => localStorage.getItem(namespace + key),
  setItem: (key, value) => localStorage.setItem(namespace + key, value),
  removeItem: key => localStorage.removeItem(namespace + key),
  clear: () => ownKeys().forEach(key => localStorage.removeItem(key)),
  get length() {
    return ownKeys().length;
  },
};
