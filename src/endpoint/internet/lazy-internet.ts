/** What leads across the Internet, loaded with the first room that asks for it. */

import { Lazy } from '../lazy.ts'

export const INTERNET: Lazy<typeof import('./entry.ts')> = new Lazy(() => import('./entry.ts'))
