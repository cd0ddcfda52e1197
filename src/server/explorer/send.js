const longestExcerpt = 300;

function asResult(response, text) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `The gateway answered ${response.status} with something that is not JSON (${cause.message}): ${text.slice(0, longestExcerpt)}`;
    return { errors: [{ message }] };
  }
}

/** Sends one operation to the gateway and returns the GraphQL result; an answer that is not JSON becomes a result with one error. */
export async function send(operation, { headers } = {}) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json", ...headers },
    body: JSON.stringify(operation),
  });
  return asResult(response, await response.text());
}
