/** The interface of Standard Schema v1 (standardschema.dev), which Zod, Valibot, ArkType and others implement. */

import { asError } from '../errors.ts'

export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type SchemaInput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['input']
export type SchemaOutput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['output']

/** The issues as one line: `level: expected a number; name: too long`. */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues
    .slice(0, 5)
    .map(({ message, path }) => {
      const keys = path?.map(part => String(typeof part === 'object' ? part.key : part)).join('.')
      return keys ? `${keys}: ${message}` : message
    })
    .join('; ')
}

/** Validates; a schema that throws has found an issue, too. */
export function validate<Output>(
  schema: StandardSchemaV1<unknown, Output>,
  value: unknown,
): SchemaResult<Output> | Promise<SchemaResult<Output>> {
  try {
    const result = schema['~standard'].validate(value)
    return result instanceof Promise ? result.catch(issueOf) : result
  } catch (error) {
    return issueOf(error)
  }
}

function issueOf(thrown: unknown): { readonly issues: readonly SchemaIssue[] } {
  return { issues: [{ message: `the schema threw: ${asError(thrown).message}` }] }
}
