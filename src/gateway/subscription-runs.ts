import type { GraphQLRequest } from "@apollo/server";
import {
  createSourceEventStream,
  type DocumentNode,
  execute,
  type ExecutionResult,
  type OperationDefinitionNode,
  validate,
} from "graphql";
import type { Logger } from "../core/ports.ts";
import { admitOperation, type AdmissionParts } from "./admission.ts";
import { type EngineResult, present, refusal, resultOf } from "./answer.ts";
import type { RequestContext } from "./request-context.ts";

/** A subscription that somebody asks for. */
export interface Asked {
  readonly document: DocumentNode;
  readonly definition: OperationDefinitionNode;
  readonly request: GraphQLRequest;
  /** Its signal ends the subscription; it has no deadline. */
  readonly starter: RequestContext;
  /** Makes a context for each answer: nothing is remembered from the one before. */
  readonly begin: () => RequestContext;
}

interface SubscriberParts extends AdmissionParts {
  readonly logger: Logger;
  /** Whether "did you mean" may tell names of the schema. */
  readonly hasSuggestions: boolean;
}

/** Opens subscriptions: gives their answers one after the other as something is told, or the one that refuses them. */
export class Subscriber {
  readonly #parts: SubscriberParts;

  constructor(parts: SubscriberParts) {
    this.#parts = parts;
  }

  async open(asked: Asked): Promise<EngineResult | AsyncGenerator<EngineResult>> {
    const { schema, logger, hasSuggestions } = this.#parts;
    const { document, starter } = asked;
    const refused = ({ errors = [] }: ExecutionResult): EngineResult => ({
      status: 400,
      body: { errors: errors.map(error => present(error.toJSON(), error, starter, logger)) },
    });
    try {
      const errors = validate(schema, document, undefined, { hideSuggestions: !hasSuggestions });
      if (errors.length > 0) return refused({ errors });
      const contextValue = await this.#admit(asked, starter);
      const told = await createSourceEventStream({ ...argumentsOf(asked), schema, contextValue });
      return Symbol.asyncIterator in told ? this.#answers(asked, told) : refused(told);
    } catch (thrown) {
      return refusal(thrown, starter, logger);
    }
  }

  /** One that breaks off ends with an answer that says why. */
  async *#answers(asked: Asked, told: AsyncIterable<unknown>): AsyncGenerator<EngineResult> {
    try {
      for await (const rootValue of told) yield await this.#answer(asked, rootValue);
    } catch (thrown) {
      yield refusal(thrown, asked.starter, this.#parts.logger);
    }
  }

  async #answer(asked: Asked, rootValue: unknown): Promise<EngineResult> {
    const { schema, logger } = this.#parts;
    const begun = asked.begin();
    try {
      const context = await this.#admit(asked, begun);
      const { data, errors } = await execute({ ...argumentsOf(asked), schema, rootValue, contextValue: context });
      const shown = errors?.map(error => present(error.toJSON(), error, context, logger));
      const freshness = context.stale.all;
      const extensions = freshness.length === 0 ? {} : { extensions: { freshness } };
      return resultOf({ data: data ?? null, ...(shown && { errors: shown }), ...extensions }, context);
    } finally {
      begun.finish();
    }
  }

  async #admit({ document, definition, request }: Asked, context: RequestContext): Promise<RequestContext> {
    const asked = { document, definition, operationName: request.operationName, variables: request.variables ?? {} };
    return (await admitOperation(this.#parts, asked, context)).context;
  }
}

const argumentsOf = ({ document, request }: Asked) => ({
  document,
  variableValues: request.variables ?? {},
  operationName: request.operationName ?? null,
});
